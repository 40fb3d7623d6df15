#!/usr/bin/env bash
# The comparison behind `make bench`: Weir and nginx-rtmp, one after the other, each on core 0, the load on core 1; and
# for chat the plainest loop over sockets, and Centrifugo where it is installed. Results go to bench/out: a JSON file a
# run, and index.html with plots. Takes about four minutes.
#
#   BENCH_SERVERS     which servers ("weir nginx-rtmp bare-chat", and "centrifugo" where there is one)
#   BENCH_VIEWERS     numbers of viewers, rising; one publisher
#   BENCH_REALTIME    numbers of viewers over WebRTC, rising; one publisher with Opus; servers that have it
#   BENCH_PUBLISHERS  numbers of publishers, rising; no viewers
#   BENCH_API         for how many seconds each route of the API is asked, beside a bare one; servers that have it
#   BENCH_CHAT        messages a second in one room, rising; servers that have chat
#   BENCH_CROWD       how many are in that room
#   BENCH_SECONDS     how long each is measured
#   BENCH_OUT         where results go
set -euo pipefail
cd "$(dirname "$0")/.."

servers=${BENCH_SERVERS:-"weir nginx-rtmp bare-chat $(basename "$(command -v centrifugo || true)")"}
viewers=${BENCH_VIEWERS:-"100 400 800"}
realtime=${BENCH_REALTIME-"100 300"}
publishers=${BENCH_PUBLISHERS-"50 150"}
api=${BENCH_API-5}
chat=${BENCH_CHAT-"20 100"}
crowd=${BENCH_CROWD:-1000}
seconds=${BENCH_SECONDS:-10}
out=${BENCH_OUT:-bench/out}
weir=$PWD/target/release/weir
bench=$PWD/target/release/weir-bench

work=$(mktemp -d)
started=()
stop() {
    local pid
    for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
    for pid in "${started[@]}"; do wait "$pid" 2>/dev/null || true; done
    started=()
}
trap 'stop; rm -rf "$work"' EXIT
ulimit -n "$(ulimit -Hn)"

if [ "$(nproc)" -ge 2 ]; then
    on_server=(taskset -c 0) on_load=(taskset -c 1)
else
    echo "One core only: server and load share it, so figures say little." >&2
    on_server=() on_load=()
fi

free_port() {
    local port
    while :; do
        port=$((20000 + RANDOM % 12000))
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
    done
}

# wait_for WHAT URL: until the URL answers 200, for 20 s.
wait_for() {
    local try
    for try in $(seq 200); do
        curl -fso /dev/null "$2" && return
        sleep 0.1
    done
    echo "$1 does not come up: $2" >&2
    tail -n 20 "$work"/*.log >&2 || true
    exit 1
}

# Each of these starts a server and sets server, publish_url ({i} is the publisher's number) and watch_url (of number 0).
start_weir() {
    local http rtmp internal number most=0
    http=$(free_port) rtmp=$(free_port) internal=$(free_port)
    mkdir -p "$work/weir"
    export WEIR__DATA_DIR=$work/weir WEIR__HTTP__LISTEN=127.0.0.1:$http WEIR__INGEST__RTMP__LISTEN=127.0.0.1:$rtmp
    export WEIR__CHAT__RATE_LIMIT=off
    export WEIR__INTERNAL__LISTEN=127.0.0.1:$internal WEIR__WEBRTC__LISTEN=127.0.0.1:$(free_port)
    "${on_server[@]}" "$weir" serve >"$work/weir.log" 2>&1 &
    server=$!
    started+=("$server")
    wait_for weir "http://127.0.0.1:$internal/readyz"
    for number in 1 $publishers; do [ "$number" -le "$most" ] || most=$number; done
    for number in $(seq 0 $((most - 1))); do
        "$weir" channel create "bench_$number" --key "bench-key-$number" >/dev/null
    done
    publish_url="rtmp://127.0.0.1:$rtmp/live/bench-key-{i}"
    watch_url="http://127.0.0.1:$http/live/bench_0/index.m3u8"
    whep_url="http://127.0.0.1:$http/whep/bench_0"
    api_url="http://127.0.0.1:$http" chat_url="http://127.0.0.1:$http"
    chats="weir weir-single"
}

start_nginx_rtmp() {
    local http rtmp folder=$work/nginx
    http=$(free_port) rtmp=$(free_port)
    mkdir -p "$folder/hls"
    # Workers of a root's nginx run as nobody.
    chmod -R a+rwX "$work"
    sed "s,@FOLDER@,$folder,g; s,@RTMP@,$rtmp,; s,@HTTP@,$http," bench/nginx-rtmp.conf >"$folder/nginx.conf"
    "${on_server[@]}" nginx -c "$folder/nginx.conf" 2>"$work/nginx.log" &
    server=$!
    started+=("$server")
    publish_url="rtmp://127.0.0.1:$rtmp/live/bench-key-{i}"
    watch_url="http://127.0.0.1:$http/live/bench-key-0.m3u8"
    whep_url='' api_url='' chat_url=''
    # It answers 404 as soon as it listens.
    until curl -so /dev/null "http://127.0.0.1:$http/"; do sleep 0.1; done
}

start_bare_chat() {
    local http
    http=$(free_port)
    "${on_server[@]}" "$bench" bare-chat --listen "127.0.0.1:$http" 2>"$work/bare.log" &
    server=$!
    started+=("$server")
    until (exec 3<>"/dev/tcp/127.0.0.1/$http") 2>/dev/null; do sleep 0.1; done
    publish_url='' watch_url='' whep_url='' api_url=''
    chat_url="http://127.0.0.1:$http" chats=bare
}

# Everything in memory; offsets, as Weir has them; whoever comes may subscribe and publish.
start_centrifugo() {
    local http
    http=$(free_port)
    mkdir -p "$work/centrifugo"
    cat >"$work/centrifugo/config.json" <<'JSON'
{
  "client": {"insecure": true, "allowed_origins": ["*"]},
  "channel": {
    "without_namespace": {
      "allow_subscribe_for_anonymous": true, "allow_publish_for_anonymous": true, "allow_publish_for_client": true,
      "history_size": 500, "history_ttl": "600s", "force_positioning": true
    }
  },
  "health": {"enabled": true}
}
JSON
    "${on_server[@]}" centrifugo --config "$work/centrifugo/config.json" --http_server.port "$http" \
        --http_server.address 127.0.0.1 >"$work/centrifugo.log" 2>&1 &
    server=$!
    started+=("$server")
    wait_for centrifugo "http://127.0.0.1:$http/health"
    publish_url='' watch_url='' whep_url='' api_url=''
    chat_url="http://127.0.0.1:$http" chats=centrifugo
}

# publish FILE [OPTION...]: one publisher, until everything is stopped.
publish() {
    local file=$1
    shift
    "${on_load[@]}" "$bench" publish --url "$publish_url" --file "$file" --seconds 3600 "$@" >/dev/null 2>"$work/publish.log" &
    started+=("$!")
    wait_for "the stream of $label" "$watch_url"
}

mkdir -p "$out"
rm -f "$out"/*.json
file=$("$bench" fixture)
file_opus=$("$bench" fixture --opus)

for label in $servers; do
    echo "== $label" >&2
    "start_${label//-/_}"
    common=(--label "$label" --server-pid "$server" --seconds "$seconds")

    [ -z "$publish_url" ] || publish "$file"
    for count in ${watch_url:+$viewers}; do
        echo "   $count viewers" >&2
        "${on_load[@]}" "$bench" hls --url "$watch_url" --viewers "$count" "${common[@]}" \
            --out "$out/$label-viewers-$count.json" >/dev/null
    done
    stop

    for count in ${whep_url:+$realtime}; do
        echo "   $count viewers over WebRTC" >&2
        # Afresh, so that memory is that of these viewers alone.
        rm -rf "${work:?}"/*
        "start_${label//-/_}"
        publish "$file_opus" --enhanced
        "${on_load[@]}" "$bench" whep --url "$whep_url" --viewers "$count" --label "$label" --server-pid "$server" \
            --seconds "$seconds" --out "$out/$label-realtime-$count.json" >/dev/null
        stop
    done

    # Afresh, so that memory is that of publishers alone; long enough for every playlist's window to be full.
    for count in ${publish_url:+$publishers}; do
        echo "   $count publishers" >&2
        rm -rf "${work:?}"/*
        "start_${label//-/_}"
        common=(--label "$label" --server-pid "$server" --seconds "$seconds")
        "${on_load[@]}" "$bench" publish --url "$publish_url" --file "$file" --count "$count" "${common[@]}" \
            --warmup 15 --out "$out/$label-publishers-$count.json" >/dev/null
        stop
    done

    for rate in ${chat_url:+$chat}; do
        for protocol in $chats; do
            echo "   $crowd people in a room, $rate messages a second ($protocol)" >&2
            rm -rf "${work:?}"/*
            "start_${label//-/_}"
            "${on_load[@]}" "$bench" chat --url "$chat_url" --protocol "$protocol" --connections "$crowd" --rate "$rate" \
                --label "$protocol" --server-pid "$server" --seconds "$seconds" \
                --out "$out/$protocol-chat-$rate.json" >/dev/null
            stop
        done
    done

    if [ -n "$api" ] && [ -n "$api_url" ]; then
        echo "   callers of the API" >&2
        rm -rf "${work:?}"/*
        # Counted, and never used up.
        for limit in REGISTRATIONS LOGINS WRITES READS ANONYMOUS; do
            export "WEIR__LIMITS__${limit}_PER_MINUTE=4000000000"
        done
        "start_${label//-/_}"
        bare_at=127.0.0.1:$(free_port)
        "${on_server[@]}" "$bench" bare --listen "$bare_at" >/dev/null &
        bare=$!
        started+=("$bare")
        wait_for "the bare route" "http://$bare_at/api/v1/channels/bench"
        "${on_load[@]}" "$bench" api --url "$api_url" --bare-url "http://$bare_at" --bare-pid "$bare" --label "$label" \
            --server-pid "$server" --seconds "$api" --out "$out/$label-api.json" >/dev/null
        stop
    fi
done

"$bench" report "$out"
