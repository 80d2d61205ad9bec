#!/bin/bash
# SPDX-License-Identifier: MPL-2.0
# Builds a small fixed tree. usage: make-tree.sh [DIR] 
# All mtimes are fixed (2001-09-09T01:46:40Z) except recent.txt (1 h old), days2.txt (2 d old) and future.txt (2037).
set -eu
T=${1:?usage: make-tree.sh DIR}
rm -rf "$T"; mkdir -p "$T"; cd "$T"; umask 022
mkdir -p etc etc/deep/d2/d3/d4 bin data data/sub gz links lib lib32 "dir with space" empty
printf 'root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1::/usr/sbin:/usr/sbin/nologin\nalice:x:1000:1000::/home/alice:/bin/bash\n' > etc/passwd
printf 'root:$6$abc:1:0:99999:7:::\nalice:!:1:0:99999:7:::\n' > etc/shadow; chmod 640 etc/shadow
printf 'PermitRootLogin no\nPasswordAuthentication no\n# comment\n' > etc/sshd_config; chmod 600 etc/sshd_config
for d in etc/deep etc/deep/d2 etc/deep/d2/d3 etc/deep/d2/d3/d4; do printf 'marker %s\n' "$(basename $d)" > $d/passwd; done
printf '\177ELF-fake\n' > bin/tool; chmod 4755 bin/tool
printf '#!/bin/sh\necho hi\n' > bin/script.sh; chmod 755 bin/script.sh
printf 'x' > bin/one; chmod 111 bin/one
: > data/empty
head -c 1024 /dev/zero > data/zero1k
head -c 1023 /dev/zero > data/zero1k-1
head -c 1025 /dev/zero > data/zero1k+1
head -c 1048576 /dev/zero | tr '\0' 'A' > data/a1m
head -c 70000 /dev/zero | tr '\0' 'B' > data/longline; printf '\nneedle-after-long-line\n' >> data/longline
{ printf 'needle-before\n'; head -c 70000 /dev/zero | tr '\0' 'B'; printf '\n'; } > data/needlefirst
printf 'line one\r\nline two\r\n' > data/crlf.txt
printf 'needle without newline' > data/nonl.txt
printf '\xff\xfe\x00needle-bin\x00\xff' > data/binary.bin
printf 'na\xc3\xafve caf\xc3\xa9 \xe2\x82\xac\n' > data/utf8.txt
printf 'key1 ok\nkey2 ok\nkey3 ok\n' > data/all-ok.txt
printf 'key1 ok\nrogue\nkey3 ok\n' > data/one-rogue.txt
printf 'foo\nbar\n' > data/sub/foobar.txt
printf 'foo\n' > data/sub/foo.txt
printf 'hash me\n' > data/sub/hashme
printf 'compressed needle line\nsecond line\n' | gzip -n -9 > gz/needle.gz
printf 'plain needle line\n' > gz/plain.txt
printf '\x1f' > gz/onebyte
: > gz/emptyfile
printf '\x1f\x8bnot really gzip' > gz/fake.gz
gzip -n -9 -c gz/plain.txt | head -c 20 > gz/truncated.gz
ln -s ../etc/passwd links/to-passwd
ln -s ../etc links/to-dir
ln -s nowhere links/broken
ln -s to-passwd links/chain
ln -s loop links/loop
ln etc/passwd links/hardlink
mkfifo links/fifo
printf 'lib\n' > lib/f; printf 'lib32\n' > lib32/f
printf 'spaced\n' > "dir with space/file name.txt"
printf 'r\n' > recent.txt; printf 'd\n' > days2.txt; printf 'f\n' > future.txt
find . -print0 | xargs -0 touch -h -d @1000000000
touch -d '1 hour ago' recent.txt; touch -d '2 days ago' days2.txt; touch -d '2037-01-01T00:00:00Z' future.txt
chmod 1777 empty; touch -d @1000000000 empty
