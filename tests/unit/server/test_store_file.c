/* SPDX-License-Identifier: MPL-2.0 */
/* What root meets in the directory of the roles when it opens their store. */
#include "storetest.h"

#include <fcntl.h>
#include <sys/stat.h>

#define PAGE 4096
#define SUPER_PAGE (0x40000000 / PAGE + 1)

static const uint8_t magic[8] = { 0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63,
	0xd7 };

static size_t
put_u32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
	return (4);
}

static void
put_file(const char *path, const void *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	close(fd);
}

/* A journal that undoes nothing and names a further one: the header of a
 * sector, then the name as sqlite.org/fileformat2.html, section 3, has it. */
static void
forge_journal(const char *path, const char *super, uint32_t pages)
{
	uint8_t b[1024] = { 0 };
	size_t n = 512, i, len = strlen(super);
	uint32_t sum = 0;

	memcpy(b, magic, 8);
	put_u32(b + 16, pages);
	put_u32(b + 20, 512);
	put_u32(b + 24, PAGE);
	n += put_u32(b + n, SUPER_PAGE);
	for (i = 0; i < len; i++)
		sum += (uint32_t)super[i];
	memcpy(b + n, super, len);
	n += len;
	n += put_u32(b + n, (uint32_t)len);
	n += put_u32(b + n, sum);
	memcpy(b + n, magic, 8);
	put_file(path, b, n + 8);
}

static void
close_all(struct fixture *f)
{
	store_close(f->r);
	store_close(f->w);
	f->r = f->w = NULL;
}

static void
test_a_journal_names_another_file(void **state)
{
	struct fixture *f = *state;
	char journal[128], victim[128];
	struct stat st;
	struct err e;

	close_all(f);
	snprintf(journal, sizeof(journal), "%s-journal", f->path);
	snprintf(victim, sizeof(victim), "%s/victim", f->dir);
	put_file(victim, "precious", 8);
	assert_int_equal(stat(f->path, &st), 0);
	forge_journal(journal, victim, (uint32_t)(st.st_size / PAGE));
	assert_int_not_equal(store_open(f->path, STORE_EXISTING, &f->w, &e), 0);
	assert_int_equal(access(victim, F_OK), 0);
	unlink(victim);
	unlink(journal);
	assert_int_equal(store_open(f->path, STORE_EXISTING, &f->w, &e), 0);
}

static void
test_the_store_is_a_link(void **state)
{
	struct fixture *f = *state;
	char other[128], room[128], path[160];
	struct err e;

	close_all(f);
	snprintf(other, sizeof(other), "%s/other", f->dir);
	snprintf(room, sizeof(room), "%s-room", f->dir);
	assert_int_equal(rename(f->path, other), 0);
	assert_int_equal(symlink("other", f->path), 0);
	assert_int_not_equal(store_open(f->path, STORE_EXISTING, &f->w, &e), 0);
	assert_non_null(strstr(e.msg, "link"));
	unlink(f->path);
	assert_int_equal(rename(other, f->path), 0);
	/* its directory may be one */
	assert_int_equal(symlink(f->dir, room), 0);
	snprintf(path, sizeof(path), "%s/db", room);
	assert_int_equal(store_open(path, STORE_EXISTING, &f->w, &e), 0);
	unlink(room);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    test_a_journal_names_another_file, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_the_store_is_a_link, setup, teardown),
	};

	return (cmocka_run_group_tests_name(
	    "server/store_file", tests, NULL, NULL));
}
