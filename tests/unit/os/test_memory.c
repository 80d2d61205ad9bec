/* SPDX-License-Identifier: MPL-2.0 */
/* What a process gives back before it waits. */
#include "os/os.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define USED (128 << 10)

/* Code that is never run. Its middle is farther from what is called than the
 * kernel maps around a page that is touched. */
__asm__(".pushsection .text\n"
	".balign 4096\n"
	".skip 512 << 10\n"
	"far_code: .skip 512 << 10\n"
	".popsection\n");
extern const volatile char far_code[];

static __attribute__((noinline)) void
use_stack(void)
{
	volatile char deep[USED];
	size_t i;

	for (i = 0; i < sizeof(deep); i += 512)
		deep[i] = 1;
}

/* kB of the main stack that are in memory. */
static long
stack_kb(void)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	int found = 0;
	char line[512];
	long kb = -1;

	assert_non_null(f);
	while (kb < 0 && fgets(line, sizeof(line), f) != NULL) {
		if (strstr(line, "[stack]") != NULL)
			found = 1;
		else if (found)
			(void)sscanf(line, "Rss: %ld", &kb);
	}
	fclose(f);
	return kb;
}

static void
test_stack(void **state)
{
	char kept[64] = "what is in use stays";
	long before, used;

	before = stack_kb();
	use_stack();
	used = stack_kb();
	assert_true(used >= before + USED / 1024 - 16);
	os_memory_back();
	assert_true(stack_kb() <= used - USED / 1024 + 32);
	assert_string_equal(kept, "what is in use stays");
	use_stack();
	assert_true(stack_kb() >= used - 4);
}

/* Whether the page is in this process' memory; proc(5), /proc/PID/pagemap. */
static int
is_mapped(const volatile char *at)
{
	uintptr_t page = (uintptr_t)at / (uintptr_t)sysconf(_SC_PAGESIZE);
	int fd = open("/proc/self/pagemap", O_RDONLY);
	uint64_t entry;

	assert_true(fd >= 0);
	assert_int_equal(
	    pread(fd, &entry, sizeof(entry), (off_t)(page * sizeof(entry))),
	    sizeof(entry));
	close(fd);
	return entry >> 63 != 0;
}

static void
test_code(void **state)
{
	char was = *far_code;

	assert_true(is_mapped(far_code));
	os_memory_back();
	assert_false(is_mapped(far_code));
	assert_int_equal(*far_code, was);
	assert_true(is_mapped(far_code));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stack),
		cmocka_unit_test(test_code),
	};

	return cmocka_run_group_tests_name("os/memory", tests, NULL, NULL);
}
