#!/bin/bash
# SPDX-License-Identifier: MPL-2.0
#
# A whole platform on this machine, on loopback only: one server with its
# relay, three agents, one investigator with a throw-away key.
#
# usage: tools/demo.sh [start | stop]
#
# As root everything lives in /var/lib/mig-demo and ./demo is a link to it; as
# an ordinary user it lives in ./demo. `stop` ends the processes by the pids it
# noted and removes the directory.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

bin=$PWD/build/src
link=$PWD/demo
if [ "$(id -u)" -eq 0 ]; then
	state=/var/lib/mig-demo
elif [ ${#link} -le 60 ]; then
	state=$link
else
	# a Unix socket's path has room for 107 bytes only
	state=$HOME/.mig-demo
fi
agents=('web1 web' 'web2 web' 'db1 db')

fail() {
	printf 'demo: %s\n' "$*" >&2
	exit 1
}

# is_ours PID: a process of this build, not a later one with the same number.
is_ours() {
	local exe
	exe=$(readlink "/proc/$1/exe" 2>/dev/null) || return 1
	case "${exe% (deleted)}" in
	"$bin"/mig-*) return 0 ;;
	*) return 1 ;;
	esac
}

stop() {
	local file pid pids=() i
	for file in "$state"/pids/*; do
		[ -e "$file" ] || continue
		pid=$(<"$file")
		if is_ours "$pid"; then
			kill -TERM "$pid" && pids+=("$pid")
		fi
	done
	for pid in "${pids[@]}"; do
		for ((i = 0; i < 350; i++)); do
			is_ours "$pid" || break
			sleep 0.1
		done
		if is_ours "$pid"; then
			kill -KILL "$pid"
		fi
	done
	if [ -d "$state/gnupg" ]; then
		GNUPGHOME=$state/gnupg gpgconf --kill all 2>/dev/null || true
	fi
	rm -rf "$state"
	if [ -L "$link" ]; then
		rm -f "$link"
	fi
}

# wait_for WHAT SECONDS COMMAND...: until the command succeeds.
wait_for() {
	local what=$1 end=$((SECONDS + $2))
	shift 2
	until "$@" >/dev/null 2>&1; do
		if [ $SECONDS -ge $end ]; then
			echo "demo: waited in vain for $what; the logs:" >&2
			tail -n 15 "$state"/log/* >&2
			exit 1
		fi
		sleep 0.05
	done
}

# background NAME COMMAND...: a daemon of its own, its pid and log noted.
background() {
	local name=$1
	shift
	setsid "$@" </dev/null >"$state/log/$name" 2>&1 &
	echo $! >"$state/pids/$name"
	disown
}

# show COMMAND...: prints it as one would type it, then runs it.
show() {
	local word line=
	for word in "$@"; do
		if [[ $word =~ ^[A-Za-z0-9_./:=,@%+-]+$ ]]; then
			line+=" $word"
		elif [[ $word == *\'* && $word != *[\"\$\`\\!]* ]]; then
			line+=" \"$word\""
		else
			line+=" '${word//\'/\'\\\'\'}'"
		fi
	done
	printf '\n$%s\n' "$line"
	"$@"
}

free_port() {
	local port=$1
	while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
		port=$((port + 1))
	done
	echo "$port"
}

reachable() { (exec 3<>"/dev/tcp/127.0.0.1/$1"); }

quiet() {
	"$@" >"$state/log/setup" 2>&1 || {
		cat "$state/log/setup" >&2
		fail "'$*' failed"
	}
}

make_key() {
	mkdir -m 700 "$GNUPGHOME"
	local gpg=(gpg --batch --yes --quiet --pinentry-mode loopback
		--passphrase '')
	quiet "${gpg[@]}" --quick-generate-key \
		'Demo Investigator <demo@example.org>' ed25519 sign,cert never
	fpr=$(gpg --batch --with-colons --list-keys 2>/dev/null |
		awk -F: '$1 == "fpr" { print $10; exit }')
	quiet "${gpg[@]}" --quick-add-key "$fpr" cv25519 encr never
}

write_env() {
	cat >"$state/env.sh" <<-TEXT
	# source this file to use mig with the demo
	export GNUPGHOME='$state/gnupg'
	export XDG_CONFIG_HOME='$state/investigator/config'
	export XDG_CACHE_HOME='$state/investigator/cache'
	export XDG_DATA_HOME='$state/investigator/data'
	export PATH='$bin':"\$PATH"
	TEXT
	# shellcheck source=/dev/null
	. "$state/env.sh"
}

start_server() {
	local conf=$state/server.conf user=()
	# the package of the relay made this user; the roles run as it
	if [ "$(id -u)" -eq 0 ]; then
		user=(--user mosquitto)
	fi
	port=$(free_port 18443)
	relay_port=$(free_port 18883)
	quiet mig keyring add "$fpr"
	mig keyring export >"$state/keyring"
	quiet mig policy make --keyring "$state/keyring" -o "$state/policy"
	quiet mig-server init --name localhost,127.0.0.1 --port "$port" \
		--relay-port "$relay_port" --policy "$state/policy" \
		--investigator "$state/keyring" --state "$state/server" \
		"${user[@]}" -c "$conf"
	ca=$(grep -ohE '\b[0-9a-f]{64}\b' "$state/log/setup" | head -n 1)
	sed -i '/^listen\>/d; /^relay_listen\>/d' "$conf"
	printf 'listen 127.0.0.1\nrelay_listen 127.0.0.1\n' >>"$conf"
	background server mig-server run -c "$conf"
	wait_for "the server" 30 reachable "$port"
}

# The investigator is the platform's first administrator. A token that mig made
# is one by which it can check agents later; mig-server's is not.
connect_mig() {
	quiet mig init --server "https://localhost:$port" --ca "$ca" \
		--key "$fpr"
	quiet mig policy pin "$state/policy"
	quiet mig token make --uses "${#agents[@]}" --expires 1h \
		--policy "$state/policy"
	token=$(grep -oE 'mig-token-[0-9a-f]{64}' "$state/log/setup" |
		head -n 1)
}

# start_agent NAME ROLE
start_agent() {
	local dir=$state/agent-$1
	mkdir -m 755 "$dir"
	cat >"$dir/agent.conf" <<-TEXT
	name $1
	state $dir/state
	tag operator demo
	tag role $2
	TEXT
	quiet mig-agent enrol "https://localhost:$port" --ca "$ca" \
		--token "$token" --policy "$state/policy" -c "$dir/agent.conf"
	background "agent-$1" mig-agent run -c "$dir/agent.conf"
}

all_online() {
	mig status --json | grep -qE "\"online\": ?${#agents[@]}\b"
}

start() {
	local a name role
	tools/deps.sh run
	[ -f build/build.ninja ] || echo "demo: building"
	./dev build >build.out 2>&1 || {
		cat build.out
		fail "the build failed"
	}
	mv build.out build/build.out
	if [ -e "$state" ]; then
		stop
	fi
	mkdir -m 755 "$state"
	mkdir "$state/log" "$state/pids" "$state/investigator"
	[ "$state" = "$link" ] || ln -sfn "$state" "$link"
	[ -n "${MIG_DEMO_KEEP:-}" ] || trap stop EXIT

	write_env
	echo "demo: an investigator's key, a server with its relay, three agents"
	make_key
	start_server
	connect_mig
	for a in "${agents[@]}"; do
		read -r name role <<<"$a"
		start_agent "$name" "$role"
	done
	wait_for "three agents online" 30 all_online

	show mig status
	show mig agents
	show mig file -t all -path /etc -name '^passwd$' -content '^root'
	show mig file -t "tags->>'role'='web'" -path /usr/bin \
		-name '^(bash|dash)$' -returnsha256
	trap - EXIT
	cat <<-TEXT

	The platform goes on running. To use it:
	  . $link/env.sh
	  mig file -t all -path /etc -name '^hosts$' -content localhost -group
	  mig actions
	  mig-agent report -c $link/agent-web1/agent.conf
	Logs: $link/log. To stop and remove all of it:
	  ./dev demo stop
	TEXT
}

case "${1:-start}" in
start) start ;;
stop) stop && echo "demo: stopped and removed" ;;
*) fail "unknown '$1': start or stop" ;;
esac
