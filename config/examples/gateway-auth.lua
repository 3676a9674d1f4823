-- Asks Cognito Gateway about a request: a permit lets it go on with the headers that the gateway says; anything else is the answer.

local GATEWAY = "http://127.0.0.1:9092/oauth2/auth?redirect=true"
local TIMEOUT_MS = 10000

-- What the gateway says, and what a client sent under these names is gone.
local TOLD = {
  "x-forwarded-user",
  "x-forwarded-preferred-username",
  "x-forwarded-email",
  "x-forwarded-groups",
  "x-request-id",
  "authorization",
  "cookie",
}

-- Of the client's connection, or of a body that is not sent along.
local NOT_ASKED = {
  ["host"] = true,
  ["connection"] = true,
  ["keep-alive"] = true,
  ["te"] = true,
  ["trailer"] = true,
  ["transfer-encoding"] = true,
  ["content-length"] = true,
  ["expect"] = true,
  ["upgrade"] = true,
}

-- Lists of HAProxy begin at 0, and those that it takes at 1.
local function list(values)
  local out = {}
  local at = 0
  while values[at] ~= nil do
    out[#out + 1] = values[at]
    at = at + 1
  end
  return out
end

local function question(txn)
  local headers = {}
  for name, values in pairs(txn.http:req_get_headers()) do
    if not NOT_ASKED[name] then headers[name] = list(values) end
  end
  headers["x-forwarded-method"] = { txn.sf:method() }
  headers["x-forwarded-uri"] = { txn.sf:pathq() }
  return headers
end

local function answer_with(txn, said)
  local reply = txn:reply()
  reply:set_status(said.status)
  for name, values in pairs(said.headers) do
    if name ~= "connection" and name ~= "content-length" and name ~= "transfer-encoding" and name ~= "keep-alive" then
      for _, value in ipairs(list(values)) do reply:add_header(name, value) end
    end
  end
  reply:set_body(said.body or "")
  txn:done(reply)
end

core.register_action("gateway-auth", { "http-req" }, function(txn)
  local said = core.httpclient():get{ url = GATEWAY, headers = question(txn), timeout = TIMEOUT_MS }
  if said == nil or said.headers == nil or type(said.status) ~= "number" or (said.status < 300 and said.status ~= 202) then
    answer_with(txn, { status = 503, headers = {}, body = "Nobody can say who may pass.\n" })
    return
  end
  if said.status ~= 202 then
    answer_with(txn, said)
    return
  end
  for _, name in ipairs(TOLD) do
    local value = said.headers[name] and said.headers[name][0] or ""
    if value == "" then
      txn.http:req_del_header(name)
    else
      txn.http:req_set_header(name, value)
    end
  end
  for number, cookie in ipairs(list(said.headers["set-cookie"] or {})) do
    txn:set_var("txn.gateway_cookie_" .. number, cookie)
  end
end)
