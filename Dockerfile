# syntax=docker/dockerfile:1.7
# One image for every service: "tranship up --target=..." says which one a container is.
#   docker build .                   the product
#   docker build --target store .    an S3 server for docker-compose.yaml, built from the version that the tests use

FROM golang:1.26.0-alpine3.22 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o /out/tranship ./cmd/tranship

FROM build AS build-store
RUN CGO_ENABLED=0 go build -C tools -trimpath -ldflags "-s -w" -o /out/versitygw github.com/versity/versitygw/cmd/versitygw

FROM alpine:3.22 AS store
COPY --from=build-store /out/versitygw /usr/local/bin/versitygw
COPY --chmod=0755 deploy/compose/store.sh /usr/local/bin/store.sh
RUN adduser -D -H -u 10001 store && install -d -o store -g store -m 0700 /data
USER 10001:10001
ENTRYPOINT ["/usr/local/bin/store.sh"]

# The capturer calls pg_dump, which must not be older than the source; health checks of containers call wget.
FROM alpine:3.22
RUN apk add --no-cache ca-certificates postgresql17-client tzdata \
 && adduser -D -H -u 10001 tranship \
 && install -d -o tranship -g tranship -m 0700 /var/lib/tranship /etc/tranship /etc/tranship/keys
COPY --from=build /out/tranship /usr/local/bin/tranship
COPY --chmod=0755 deploy/compose/keys.sh /usr/local/share/tranship/keys.sh
USER 10001:10001
WORKDIR /var/lib/tranship
ENTRYPOINT ["/usr/local/bin/tranship"]
CMD ["up"]
