/* SPDX-License-Identifier: MPL-2.0 */
/* The parsers of package databases on bytes made here: good ones, cut ones,
 * ones with every bit turned. Real databases: tests/integration/test_pkg.py. */
#include "modules/pkg/dpkg.h"
#include "modules/pkg/dpkgdb.h"
#include "modules/pkg/rpmdb.h"
#include "modules/pkg/rpmheader.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"

#include "readdir_fails.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* Everything told, as text: "name version arch state|" and "!what|". */
struct told {
	char text[4096];
	size_t packages, damaged;
};

static void
on_package(const struct package *p, void *arg)
{
	struct told *t = arg;
	size_t n = strlen(t->text);

	t->packages++;
	snprintf(t->text + n, sizeof(t->text) - n, "%s %s %s %s|", p->name,
	    p->version, p->arch, p->state);
}

static void
on_damaged(const char *what, void *arg)
{
	struct told *t = arg;
	size_t n = strlen(t->text);

	t->damaged++;
	snprintf(t->text + n, sizeof(t->text) - n, "!%s|", what);
}

static unsigned int stop_after;

static bool
on_stop(void *arg)
{
	return stop_after > 0 && --stop_after == 0 ? (stop_after = 1) : false;
}

static struct pkg_reader
reader_of(struct told *t)
{
	memset(t, 0, sizeof(*t));
	return (struct pkg_reader){ on_package, on_damaged, on_stop, t };
}

/* --- dpkg -----------------------------------------------------------------*/

static void
dpkg_told(const char *text, size_t piece, bool all, struct told *t)
{
	struct pkg_reader r = reader_of(t);
	size_t len = strlen(text), at, n;
	struct dpkg_parser p;

	dpkg_begin(&p, &r);
	p.all_installed = all;
	for (at = 0; at < len; at += n) {
		n = len - at < piece ? len - at : piece;
		dpkg_feed(&p, text + at, n);
	}
	dpkg_end(&p);
}

#define INSTALLED "Status: install ok installed\n"

static void
test_dpkg(void **state)
{
	static const struct {
		const char *text, *want;
	} table[] = {
		{ "", "" },
		{ "\n\n \n", "" },
		{ "Package: a\n" INSTALLED "Architecture: amd64\n"
		  "Version: 1:2-3\n",
		    "a 1:2-3 amd64 |" },
		{ "package: a\nSTATUS: hold ok installed \nversion:\t1\n\n"
		  "Package: b\n" INSTALLED "Version: 2\nArchitecture: all\n",
		    "a 1  |b 2 all |" },
		{ "Package: a\nStatus: deinstall ok config-files\n"
		  "Version: 1\n\nPackage: b\nStatus: purge ok not-installed\n",
		    "" },
		{ "Package: a\nVersion: 1\n", "" }, /* no Status */
		{ "Package: a\nStatus: install reinstreq half-installed\n"
		  "Version: 1\n\nPackage: b\nVersion: 2\n"
		  "Status: install ok triggers-awaited\n",
		    "a 1  half-installed|b 2  triggers-awaited|" },
		{ "Package: a\n" INSTALLED "Version: 1\nDescription: x\n"
		  " more: text\n .\n\tand more\nConffiles:\n /etc/x 0123\n",
		    "a 1  |" },
		{ "Package: a\n" INSTALLED "\n\nPackage: b\n" INSTALLED
		  "Version: 2\n",
		    "!line 1: an installed package without a version: a|"
		    "b 2  |" },
		{ INSTALLED "Version: 1\n",
		    "!line 1: a paragraph without the name of a package|" },
		{ "Package: a\nStatus: install ok strange\nVersion: 1\n",
		    "!line 1: an unknown state of a package: a|" },
		{ "Package: a\n" INSTALLED "garbage\nVersion: 1\n",
		    "!line 1: a line that is no field: a|" },
		{ "\n x\n", "!line 2: a line that is no field|" },
		{ "Package: a\n" INSTALLED
		  "Version: 1\n\nPackage: b\n" INSTALLED "Version: 2.",
		    "a 1  |!line 5: the file ends in the middle of a line: "
		    "b|" },
	};
	size_t i, piece;
	struct told t;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		for (piece = 1; piece < 40; piece++) {
			dpkg_told(table[i].text, piece, false, &t);
			assert_string_equal(t.text, table[i].want);
		}
	}
	dpkg_told("Package: a\nVersion: 1\nArchitecture: arm64\n", 7, true, &t);
	assert_string_equal(t.text, "a 1 arm64 |");
}

/* Lines that are cut: without meaning when not needed, damage when needed. */
static void
test_dpkg_long_lines(void **state)
{
	struct told t;
	struct buf b;
	size_t i;

	buf_init(&b, 1 << 20);
	buf_add_str(&b, "Package: a\n" INSTALLED "Depends: ");
	for (i = 0; i < 100000; i++)
		buf_add_u8(&b, 'x');
	buf_add_str(&b, "\nVersion: 1\n");
	dpkg_told(buf_str(&b), 1000, false, &t);
	assert_string_equal(t.text, "a 1  |");
	buf_clear(&b);
	buf_add_str(&b, "Package: a\n" INSTALLED "Version: 1");
	for (i = 0; i < DPKG_LINE_MAX; i++)
		buf_add_u8(&b, '0');
	buf_add_str(&b, "\n");
	dpkg_told(buf_str(&b), 1000, false, &t);
	assert_string_equal(t.text, "!line 1: a line that is no field: a|");
	buf_release(&b);
}

/* --- has it changed? ------------------------------------------------------*/

static void
test_same_file(void **state)
{
	const struct stat a = { .st_ino = 1,
		.st_size = 2,
		.st_mtim = { 3, 4 },
		.st_ctim = { 5, 6 } };
	struct stat b[] = { a, a, a, a, a, a };
	size_t i;

	b[0].st_ino++;
	b[1].st_size++;
	b[2].st_mtim.tv_sec++;
	b[3].st_mtim.tv_nsec++;
	b[4].st_ctim.tv_sec++;
	b[5].st_ctim.tv_nsec++;
	assert_true(reader_same_file(&a, &a));
	for (i = 0; i < sizeof(b) / sizeof(b[0]); i++)
		assert_false(reader_same_file(&a, &b[i]));
}

/* What was written in the last ticks of the clock may be written again without
 * a trace. */
static void
test_fresh(void **state)
{
	static const struct {
		struct timespec written;
		bool want;
	} table[] = {
		{ { 100, 5000000 }, true },
		{ { 100, 0 }, true },
		{ { 99, 999000000 }, true },
		{ { 99, 985000001 }, true },
		{ { 99, 985000000 }, false },
		{ { 99, 5000000 }, false },
		{ { 98, 999000000 }, false },
		/* the clock went back: nothing is known */
		{ { 100, 5000001 }, false },
		{ { 101, 0 }, false },
		{ { INT64_MIN, 0 }, false },
		{ { INT64_MAX, 999999999 }, false },
	};
	const struct timespec now = { 100, 5000000 };
	size_t i;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		assert_int_equal(
		    reader_is_fresh(&table[i].written, &now), table[i].want);
}

/* --- rpm headers ----------------------------------------------------------*/

struct tag {
	uint32_t tag, type;
	const char *text; /* NULL: number */
	uint32_t number;
};

static void
make_header(struct buf *out, const struct tag *tags, size_t n)
{
	struct buf data;
	size_t i;

	buf_init(&data, 2 * RPM_STRING_MAX);
	buf_clear(out);
	for (i = 0; i < n; i++) {
		if (tags[i].text != NULL)
			buf_add(&data, tags[i].text, strlen(tags[i].text) + 1);
		else
			buf_add_u32(&data, tags[i].number);
	}
	buf_add_u32(out, (uint32_t)n);
	buf_add_u32(out, (uint32_t)data.len);
	data.len = 0;
	for (i = 0; i < n; i++) {
		buf_add_u32(out, tags[i].tag);
		buf_add_u32(out, tags[i].type);
		buf_add_u32(out, (uint32_t)data.len);
		buf_add_u32(out, 1);
		data.len += tags[i].text != NULL ? strlen(tags[i].text) + 1 : 4;
	}
	buf_add(out, data.data, data.len);
	buf_release(&data);
}

static const struct tag good[] = { { 1000, 6, "bash", 0 },
	{ 1001, 6, "5.2", 0 }, { 1002, 6, "3.el9", 0 }, { 1003, 4, NULL, 2 },
	{ 1022, 6, "x86_64", 0 } };

static void
test_rpm_header(void **state)
{
	static const struct tag no_release[] = { { 1000, 6, "a", 0 },
		{ 1001, 6, "1", 0 } };
	static const struct tag odd[] = { { 1000, 4, NULL, 7 } };
	static const struct tag empty[] = { { 1000, 6, "", 0 },
		{ 1001, 6, "1", 0 }, { 1002, 6, "1", 0 } };
	struct rpm_header h;
	struct buf b;
	struct err e;

	buf_init(&b, 65536);
	make_header(&b, good, 5);
	assert_int_equal(rpm_header_parse(b.data, b.len, &h, &e), 0);
	assert_string_equal(h.name, "bash");
	assert_string_equal(h.version, "5.2");
	assert_string_equal(h.release, "3.el9");
	assert_string_equal(h.arch, "x86_64");
	assert_true(h.has_epoch && h.epoch == 2);
	make_header(&b, good, 3);
	assert_int_equal(rpm_header_parse(b.data, b.len, &h, &e), 0);
	assert_string_equal(h.arch, "");
	assert_false(h.has_epoch);
	make_header(&b, no_release, 2);
	assert_int_equal(rpm_header_parse(b.data, b.len, &h, &e), ERR_INVALID);
	make_header(&b, odd, 1);
	assert_int_equal(rpm_header_parse(b.data, b.len, &h, &e), ERR_INVALID);
	assert_non_null(strstr(e.msg, "tag 1000"));
	make_header(&b, empty, 3);
	assert_int_equal(rpm_header_parse(b.data, b.len, &h, &e), ERR_INVALID);
	buf_release(&b);
}

/* Each of its entries may be about the whole of it. */
static void
test_rpm_header_long(void **state)
{
	struct tag tags[3] = { { 1000, 6, NULL, 0 }, { 1001, 6, "1", 0 },
		{ 1002, 6, "1", 0 } };
	char *name = malloc(RPM_STRING_MAX + 1);
	struct rpm_header h;
	struct buf b;
	struct err e;

	assert_non_null(name);
	memset(name, 'a', RPM_STRING_MAX);
	tags[0].text = name;
	name[RPM_STRING_MAX - 1] = '\0';
	buf_init(&b, 2 * RPM_STRING_MAX);
	make_header(&b, tags, 3);
	assert_int_equal(rpm_header_parse(b.data, b.len, &h, &e), 0);
	assert_int_equal(strlen(h.name), RPM_STRING_MAX - 1);
	name[RPM_STRING_MAX - 1] = 'a';
	name[RPM_STRING_MAX] = '\0';
	make_header(&b, tags, 3);
	assert_int_equal(rpm_header_parse(b.data, b.len, &h, &e), ERR_INVALID);
	assert_non_null(strstr(e.msg, "too long"));
	buf_release(&b);
	free(name);
}

/* Copies of exactly the length, so that a byte too far is seen. */
static void
test_rpm_header_damaged(void **state)
{
	struct rpm_header h;
	struct buf b;
	size_t i, bit;
	uint8_t *copy;

	buf_init(&b, 65536);
	make_header(&b, good, 5);
	for (i = 0; i < b.len; i++) {
		copy = malloc(i + 1);
		assert_non_null(copy);
		memcpy(copy, b.data, i);
		assert_int_equal(
		    rpm_header_parse(copy, i, &h, NULL), ERR_INVALID);
		free(copy);
	}
	copy = malloc(b.len);
	assert_non_null(copy);
	for (i = 0; i < b.len; i++) {
		for (bit = 0; bit < 8; bit++) {
			memcpy(copy, b.data, b.len);
			copy[i] ^= (uint8_t)(1u << bit);
			if (rpm_header_parse(copy, b.len, &h, NULL) != 0)
				continue;
			assert_true(strlen(h.name) < b.len);
			assert_true(strlen(h.arch) < b.len);
		}
	}
	free(copy);
	buf_release(&b);
}

/* --- ndb ------------------------------------------------------------------*/

static void
le32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
	p[2] = (uint8_t)(v >> 16);
	p[3] = (uint8_t)(v >> 24);
}

#define NDB_LEN (4096 + 512)

/* One package at block 256, its frame as rpm writes it. */
static void
make_ndb(uint8_t out[static NDB_LEN])
{
	uint32_t a = 1, b = 0;
	struct buf blob;
	size_t i, len;

	memset(out, 0, NDB_LEN);
	memcpy(out, "RpmP", 4);
	le32(out + 8, 3);
	le32(out + 12, 1);
	le32(out + 16, 2);
	for (i = 32; i < 4096; i += 16)
		memcpy(out + i, "Slot", 4);
	buf_init(&blob, 65536);
	make_header(&blob, good, 5);
	len = (16 + blob.len + 12 + 15) / 16;
	le32(out + 32 + 4, 1);
	le32(out + 32 + 8, 256);
	le32(out + 32 + 12, (uint32_t)len);
	len = len * 16 - 12;
	memcpy(out + 4096, "BlbS", 4);
	le32(out + 4096 + 4, 1);
	le32(out + 4096 + 8, 3);
	le32(out + 4096 + 12, (uint32_t)blob.len);
	memcpy(out + 4096 + 16, blob.data, blob.len);
	for (i = 0; i < len; i++) {
		a = (a + out[4096 + i]) % 65521;
		b = (b + a) % 65521;
	}
	le32(out + 4096 + len, b << 16 | a);
	le32(out + 4096 + len + 4, (uint32_t)blob.len);
	memcpy(out + 4096 + len + 8, "BlbE", 4);
	buf_release(&blob);
}

static int
ndb_told(const uint8_t *data, size_t len, struct told *t, struct err *e)
{
	struct pkg_reader r = reader_of(t);
	int fd = fd_sealed("ndb", data, len, NULL), rc;

	assert_true(fd >= 0);
	rc = rpmdb_ndb_read(fd, &r, e);
	close(fd);
	return rc;
}

static void
test_ndb(void **state)
{
	uint8_t data[NDB_LEN];
	struct told t;
	struct err e;

	make_ndb(data);
	assert_int_equal(ndb_told(data, sizeof(data), &t, &e), 0);
	assert_string_equal(t.text, "bash 2:5.2-3.el9 x86_64 |");
	data[4] = 1;
	assert_int_equal(ndb_told(data, sizeof(data), &t, &e), ERR_UNSUPPORTED);
	make_ndb(data);
	data[13] = 1; /* 257 pages of slots */
	assert_int_equal(ndb_told(data, sizeof(data), &t, &e), ERR_INVALID);
	make_ndb(data);
	data[32 + 11] = 0xff; /* far outside */
	assert_int_equal(ndb_told(data, sizeof(data), &t, &e), 0);
	assert_true(t.packages == 0 && t.damaged == 1);
	/* cut anywhere: never a package that is not whole, always told */
	make_ndb(data);
	for (size_t i = 0; i < 4096 + 200; i += 16) {
		int rc = ndb_told(data, i, &t, &e);

		assert_true(t.packages == 0 || i >= 4096 + 144);
		assert_true(rc != 0 || t.damaged + t.packages > 0);
	}
}

static void
test_ndb_bits(void **state)
{
	uint8_t data[NDB_LEN];
	struct told t;
	size_t i;
	int rc;

	/* every bit of the blob's frame and data is seen */
	for (i = 0; i < 8 * 200; i++) {
		make_ndb(data);
		data[4096 + i / 8] ^= (uint8_t)(1u << i % 8);
		rc = ndb_told(data, sizeof(data), &t, NULL);
		assert_int_equal(rc, 0);
		if (t.packages == 1) /* it stands behind the blob */
			assert_string_equal(
			    t.text, "bash 2:5.2-3.el9 x86_64 |");
		else
			assert_int_equal(t.damaged, 1);
	}
}

/* --- status.d ------------------------------------------------------------- */

/* What cannot be listed to its end is not all there is. */
static void
test_image(void **state)
{
	char dir[] = "/tmp/image-XXXXXX", path[64];
	static const char text[] = "Package: a\nVersion: 1\n";
	struct pkg_reader r;
	struct told t;
	struct err e;
	FILE *f;
	int fd;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/status.d", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/status.d/a", dir);
	f = fopen(path, "w");
	assert_true(f != NULL && fputs(text, f) >= 0 && fclose(f) == 0);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = reader_of(&t);
	assert_int_equal(dpkgdb_image_read(fd, &r, &e), 0);
	assert_int_equal(t.packages, 1);
	entries_left = 1;
	assert_int_equal(dpkgdb_image_read(fd, &r, &e), ERR_IO);
	entries_left = -1;
	close(fd);
	unlink(path);
	*strrchr(path, '/') = '\0';
	assert_int_equal(rmdir(path) | rmdir(dir), 0);
}

/* --- bdb ------------------------------------------------------------------ */

#define BDB_PAGE 512
#define BDB_PAGES 4096

/* A header on a page that goes on with itself, one byte at a time. */
static void
test_bdb_circle(void **state)
{
	uint32_t meta[128] = { [3] = 0x00061561,
		[4] = 9,
		[5] = BDB_PAGE,
		[8] = BDB_PAGES,
		[18] = 0,
		[24] = 1 };
	uint32_t bucket[128] = { [2] = 1 }, over[128] = { [2] = 2, [4] = 2 };
	uint16_t items[2] = { BDB_PAGE - 5, BDB_PAGE - 5 - 12 }, n = 2, one = 1;
	uint32_t number = 7, page = 2, len = BDB_PAGES * BDB_PAGE;
	uint8_t *b = (uint8_t *)bucket;
	FILE *f = tmpfile();
	struct pkg_reader r;
	struct told t;
	struct err e;

	memcpy(b + 20, &n, 2);
	b[25] = 13;
	memcpy(b + 26, items, sizeof(items));
	b[items[0]] = 1;
	memcpy(b + items[0] + 1, &number, 4);
	b[items[1]] = 3;
	memcpy(b + items[1] + 4, &page, 4);
	memcpy(b + items[1] + 8, &len, 4);
	memcpy((uint8_t *)over + 22, &one, 2);
	((uint8_t *)over)[25] = 7;
	assert_true(f != NULL && fwrite(meta, BDB_PAGE, 1, f) == 1 &&
	    fwrite(bucket, BDB_PAGE, 1, f) == 1 &&
	    fwrite(over, BDB_PAGE, 1, f) == 1 && fflush(f) == 0 &&
	    ftruncate(fileno(f), (off_t)BDB_PAGE * (BDB_PAGES + 1)) == 0);
	r = reader_of(&t);
	/* just made, it is read once more */
	(void)rpmdb_bdb_read(fileno(f), &r, &e);
	assert_non_null(strstr(t.text, "go round in a circle"));
	/* and a stop is heard before that */
	r = reader_of(&t);
	stop_after = 100;
	(void)rpmdb_bdb_read(fileno(f), &r, &e);
	stop_after = 0;
	assert_int_equal(t.damaged + t.packages, 0);
	fclose(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dpkg),
		cmocka_unit_test(test_dpkg_long_lines),
		cmocka_unit_test(test_same_file),
		cmocka_unit_test(test_fresh),
		cmocka_unit_test(test_rpm_header),
		cmocka_unit_test(test_rpm_header_long),
		cmocka_unit_test(test_rpm_header_damaged),
		cmocka_unit_test(test_ndb),
		cmocka_unit_test(test_ndb_bits),
		cmocka_unit_test(test_image),
		cmocka_unit_test(test_bdb_circle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
