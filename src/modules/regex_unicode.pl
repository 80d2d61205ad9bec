#!/usr/bin/perl
# SPDX-License-Identifier: MPL-2.0
# Writes regex_unicode.c from Perl's copy of the Unicode character database:
# general categories, scripts and simple case folding.
use strict;
use warnings;
use Unicode::UCD qw(prop_invmap);

my (%sets, @runs, @index);
sub add { my ($n, $lo, $hi) = @_; push @{$sets{$n}}, [$lo, $hi] if $lo <= $hi; }

my ($list, $map) = prop_invmap("General_Category");
for my $i (0 .. $#$list) {
	my $hi = $i < $#$list ? $list->[$i + 1] - 1 : 0x10ffff;
	my $gc = $map->[$i];
	next if $gc eq "Cn";
	$hi = 0x10ffff if $hi > 0x10ffff;
	add($gc, $list->[$i], $hi);
	add(substr($gc, 0, 1), $list->[$i], $hi);
}
($list, $map) = prop_invmap("Script");
for my $i (0 .. $#$list) {
	my $hi = $i < $#$list ? $list->[$i + 1] - 1 : 0x10ffff;
	next if $map->[$i] eq "Unknown" or $map->[$i] eq "Zzzz";
	add($map->[$i], $list->[$i], $hi);
}
for my $name (sort keys %sets) {
	my ($at, $n, $start) = (0, 0, scalar @runs);
	my @merged;
	for my $r (@{$sets{$name}}) {
		if (@merged && $merged[-1][1] + 1 == $r->[0]) { $merged[-1][1] = $r->[1]; }
		else { push @merged, [@$r]; }
	}
	for my $r (@merged) {
		my ($gap, $len) = ($r->[0] - $at, $r->[1] - $r->[0] + 1);
		while ($gap > 65535) { push @runs, 65535, 0; $n++; $gap -= 65535; }
		while ($len > 65535) { push @runs, $gap, 65535; $n++; $gap = 0; $len -= 65535; }
		push @runs, $gap, $len; $n++;
		$at = $r->[1] + 1;
	}
	push @index, [$name, $start, $n];
}
my (@folds);
my ($fl, $fm) = prop_invmap("Simple_Case_Folding");
for my $i (0 .. $#$fl - 1) {
	next if $fm->[$i] == 0;
	my $hi = $fl->[$i + 1] - 1;
	my $delta = $fm->[$i] - $fl->[$i];
	for my $c ($fl->[$i] .. $hi) {
		next if $c < 0x80;
		my $l = $folds[-1];
		if ($l && $l->[3] == $delta && ($c - $l->[1] == $l->[2] || ($l->[0] == $l->[1] && $c - $l->[1] <= 2))) {
			$l->[2] = $c - $l->[1];
			$l->[1] = $c;
		} else { push @folds, [$c, $c, 1, $delta]; }
	}
}
print "/* SPDX-License-Identifier: MPL-2.0 */\n";
print "/* Unicode ", Unicode::UCD::UnicodeVersion(), ": categories, scripts, case folding. Written by\n * regex_unicode.pl; do not edit. */\n";
print "/* clang-format off */\n#include \"modules/regex_ast.h\"\n\nconst uint16_t unicode_runs[] = {\n";
my $line = "";
for my $v (@runs) {
	if (length($line) + length($v) + 1 > 78) { print " $line\n"; $line = ""; }
	$line .= "$v,";
}
print " $line\n};\n\nconst struct unicode_table unicode_tables[] = {\n";
$line = "";
for (@index) { my $t = sprintf "{\"%s\",%d,%d},", @$_;
	if (length($line) + length($t) > 78) { print " $line\n"; $line = ""; }
	$line .= $t; }
print " $line\n};\nconst size_t unicode_ntables =\n    sizeof(unicode_tables) / sizeof(unicode_tables[0]);\n\nconst struct unicode_fold unicode_folds[] = {\n";
$line = "";
for (@folds) { my $t = sprintf "{%d,%d,%d,%d},", @$_;
	if (length($line) + length($t) > 78) { print " $line\n"; $line = ""; }
	$line .= $t; }
print " $line\n};\nconst size_t unicode_nfolds =\n    sizeof(unicode_folds) / sizeof(unicode_folds[0]);\n";
