import { apacheBearer, apacheCookie, apacheSharedMemory } from './apache.ts'
import type { Contender } from './contender.ts'
import { gateway, gatewayBearer } from './gateway.ts'
import { nginxAuthRequest } from './nginx.ts'
import { floor, stock } from './node-proxies.ts'
import { oauth2Proxy } from './oauth2-proxy.ts'

/** All who are compared, in the order in which they are measured. */
export const contenders: readonly Contender[] = [
  gateway,
  gatewayBearer,
  floor,
  stock,
  nginxAuthRequest,
  apacheSharedMemory,
  apacheCookie,
  apacheBearer,
  oauth2Proxy,
]
