# Production packages and compiled code on Node 24; nothing in it is written, and nothing but Node is started.
# `npm run image` builds it and says of which version, revision and date; `docker build .` does without.
ARG NODE_IMAGE=docker.io/library/node:24-bookworm-slim
# Where it runs, when that is to be another base, such as one without a shell: with glibc, and `node` on its PATH.
ARG RUNTIME_IMAGE=${NODE_IMAGE}

# On the machine that builds, whatever the image is for: what comes out of here is the same for every processor.
FROM --platform=${BUILDPLATFORM} ${NODE_IMAGE} AS build
# npm takes the folder's name for the project's.
WORKDIR /cognito-gateway
COPY package.json package-lock.json ./
# Of the packages for development only what compiles is installed, of the lockfile's versions: the others are three quarters of all bytes.
# What a build needs to reach its package registry may be lent to it, and is not in the image.
RUN --mount=type=secret,id=npmrc,target=/root/.npmrc \
    --mount=type=secret,id=ca-certificates,target=/etc/ssl/certs/ca-certificates.crt \
    node -e "const all = require('./package.json'), ours = /^typescript$|^@types/; \
        all.devDependencies = Object.fromEntries(Object.entries(all.devDependencies).filter(([name]) => ours.test(name))); \
        fs.writeFileSync('package.json', JSON.stringify(all))" \
    && NODE_OPTIONS=--use-system-ca npm install --ignore-scripts --no-audit --no-fund --loglevel=error
COPY . .
# Stack traces tell lines of the compiled code, which differ little from the sources: no maps to sources that are not there. npm lists a package that is
# for production and for development by neither: it is asked where there are none for development. sodium-native brings its native code for both
# processors, and for systems that are no matter here.
RUN node_modules/.bin/tsc -p tsconfig.json --incremental false --sourceMap false \
    && npm prune --omit=dev --ignore-scripts --no-audit --no-fund --loglevel=error \
    && npm pkg delete devDependencies scripts \
    && npm sbom --sbom-format=cyclonedx --sbom-type=application > sbom.cdx.json \
    && find node_modules/sodium-native/prebuilds -mindepth 1 -maxdepth 1 ! -name 'linux-*' -exec rm -r {} + \
    && rm -r src tsconfig.json package-lock.json \
    && chmod -R a=rX,u+w .

# Nothing is run from here on: an image for another processor needs no emulation. The platform is said, because podman would else go on with the one of
# the stage before.
# hadolint ignore=DL3065
FROM --platform=${TARGETPLATFORM} ${RUNTIME_IMAGE}
WORKDIR /app
COPY --from=build /cognito-gateway /app
ENV NODE_ENV=production
# A number, so that a cluster can tell that it is not root; nobody has it on any machine.
USER 65532:65532
EXPOSE 8080
# SIGUSR1 would open the debugger, and with it everybody's tokens.
ENTRYPOINT ["node", "--disable-sigusr1", "/app/dist/main.js"]
CMD ["serve", "--config", "/etc/cognito-gateway/gateway.yaml"]
ARG VERSION=unknown
ARG REVISION=unknown
ARG CREATED=unknown
LABEL org.opencontainers.image.title="Cognito Gateway" \
      org.opencontainers.image.description="Puts AWS Cognito single sign-on in front of web applications that cannot be changed." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
