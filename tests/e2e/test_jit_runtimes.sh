#!/bin/sh
# Runtimes that are too large to be installed for a test, as far as they are there: Java, which writes its perf map when it
# ends, and PHP's JIT. (Node: test_jit.sh. Erlang and Node's jitdump: test_jitdump.sh.)
. "$(dirname "$0")/lib.sh"
need_root

cleanup() { rm -f $(grep -lE 'JitSpin|spin\.php' /tmp/perf-*.map 2>/dev/null); }
# most TITLE PATTERN PART: of the samples that match the pattern, most match the part.
most() {
	got=$(share "$work/$1.folded" "$2" "$3")
	[ "$got" != none ] && [ "$got" -gt 7000 ]
}
cd "$work"
tried=

cat >JitSpin.java <<'JAVA'
public class JitSpin {
	static int inner(int n) { int x = 0; for (int i = 0; i < n; i++) x = x * 31 + i; return x; }
	static int handler() { int s = 0; for (int i = 0; i < 50; i++) s ^= inner(20000); return s; }
	public static void main(String[] a) {
		long end = System.currentTimeMillis() + 2500;
		int t = 0;
		while (System.currentTimeMillis() < end) t ^= handler();
		System.out.println(t);
	}
}
JAVA
flags='-XX:+PreserveFramePointer -XX:+UnlockDiagnosticVMOptions -XX:+DumpPerfMapAtExit'
# shellcheck disable=SC2086
if command -v javac >/dev/null && javac JitSpin.java 2>/dev/null && java $flags -version >/dev/null 2>&1; then
	record -F 997 -o java.folded -- java $flags JitSpin
	most java ';java;.*JitSpin' ';JavaMain;.*JitSpin.(handler|inner)' ||
		fail "Java's functions have no names, or no callers: $(sort -t' ' -k2 -n java.folded | tail -3)"
	[ "$(share java.folded ';java;' 'anonymous memory')" -lt 2000 ] || fail "much of Java's code has no name"
	tried="$tried java"
fi

cat >spin.php <<'PHP'
<?php
function inner($n) { $x = 0; for ($i = 0; $i < $n; $i++) $x = ($x * 31 + $i) & 0xffffff; return $x; }
function handler() { $s = 0; for ($i = 0; $i < 50; $i++) $s ^= inner(20000); return $s; }
$end = microtime(true) + 2.5; $t = 0;
while (microtime(true) < $end) $t ^= handler();
echo $t, "\n";
PHP
flags='-d opcache.enable_cli=1 -d opcache.file_update_protection=0 -d opcache.jit_buffer_size=64M -d opcache.jit=function -d opcache.jit_debug=0x10'
# shellcheck disable=SC2086
if command -v php >/dev/null && php $flags -r 'exit(empty(opcache_get_status(false)["jit"]["on"]) ? 1 : 0);' 2>/dev/null; then
	# shellcheck disable=SC2086
	record -F 997 -o php.folded -- php $flags spin.php
	most php ';php;' 'JIT[$](inner|handler)' || fail "PHP's functions have no names: $(sort -t' ' -k2 -n php.folded | tail -3)"
	tried="$tried php"
fi
[ -n "$tried" ] || skip "neither javac and java nor php with opcache's JIT is installed"
echo "tried:$tried"
