/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A process for the tests of the memory module to look into:
 *
 *   memprobe MODE NEEDLE [FILE]
 *
 * NEEDLE comes backwards, so that it stands nowhere but where MODE puts it.
 * Says "ready ADDRESS" (of the needle, in decimal) and waits for its end.
 */
#include <dlfcn.h>
#include <err.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PIECE (256 * 1024) /* as the scan reads */
#define TERABYTE (UINT64_C(1) << 40)

static char *
map(size_t len, int prot, int flags)
{
	char *p =
	    mmap(NULL, len, prot, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);

	if (p == MAP_FAILED)
		err(1, "mmap of %zu bytes", len);
	return p;
}

static void
put(char *at, const char *backwards)
{
	size_t n = strlen(backwards), i;

	for (i = 0; i < n; i++)
		at[i] = backwards[n - 1 - i];
}

static char *
map_file(const char *path, bool touch)
{
	int fd = open(path, O_RDONLY);
	off_t len = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
	char *p;

	if (len <= 0)
		err(1, "%s", path);
	p = mmap(NULL, (size_t)len, PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		err(1, "%s", path);
	close(fd);
	if (touch && p[0] == '\0')
		putchar(' ');
	return p;
}

/* Half of it on each side of where two mappings meet. */
static char *
adjacent(const char *needle, size_t page)
{
	char *p = map(2 * page, PROT_READ | PROT_WRITE, 0);
	char *at = p + page - strlen(needle) / 2;

	put(at, needle);
	if (mprotect(p + page, page, PROT_READ) != 0)
		err(1, "mprotect");
	return at;
}

/* The same with a page between that is not there. */
static char *
gap(const char *needle, size_t page)
{
	char *p = map(3 * page, PROT_READ | PROT_WRITE, 0);
	size_t n = strlen(needle), half = n / 2, i;

	for (i = 0; i < half; i++)
		p[page - half + i] = needle[n - 1 - i];
	for (i = half; i < n; i++)
		p[2 * page + i - half] = needle[n - 1 - i];
	if (munmap(p + page, page) != 0)
		err(1, "munmap");
	return p + page - half;
}

/* Half of it, and the other half 400 KiB behind. */
static char *
far(const char *needle)
{
	char *p = map(4 * PIECE, PROT_READ | PROT_WRITE, 0);
	size_t n = strlen(needle), i;

	memset(p, '.', 4 * PIECE);
	for (i = 0; i < n; i++)
		p[PIECE + i + (i < n / 2 ? 0 : 400 * 1024)] = needle[n - 1 - i];
	return p + PIECE;
}

/* A terabyte reserved, one that may be used, and one page that is. */
static char *
sparse(const char *needle)
{
	char *p;

	map(TERABYTE, PROT_NONE, MAP_NORESERVE);
	p = map(TERABYTE / 16, PROT_READ | PROT_WRITE, MAP_NORESERVE);
	p += TERABYTE / 32;
	put(p, needle);
	return p;
}

static char *
big(const char *needle, size_t len)
{
	char *p = map(len, PROT_READ | PROT_WRITE, 0);
	size_t i;

	for (i = 0; i < len; i += 64)
		p[i] = (char)i;
	put(p + len - 4096, needle);
	return p + len - 4096;
}

/* Mappings that come, change and go all the time. */
static _Noreturn void
change(size_t page)
{
	static const int prots[] = { PROT_NONE, PROT_READ,
		PROT_READ | PROT_WRITE };
	char *p[64] = { NULL };
	unsigned int i;

	printf("ready 0\n");
	fflush(stdout);
	for (i = 0;; i++) {
		char **q = &p[i * 7 % 64];

		if (*q != NULL && i % 3 == 0) {
			munmap(*q, 16 * page);
			*q = NULL;
		} else if (*q == NULL) {
			*q = map(16 * page, PROT_READ | PROT_WRITE, 0);
			memset(*q, 'x', 16 * page);
		} else {
			mprotect(*q, 16 * page, prots[i % 3]);
		}
	}
}

static char *
place(const char *mode, const char *needle, const char *file)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *p;

	if (strcmp(mode, "heap") == 0) {
		p = malloc(1000);
		put(p, needle);
		return p;
	}
	if (strcmp(mode, "adjacent") == 0)
		return adjacent(needle, page);
	if (strcmp(mode, "gap") == 0)
		return gap(needle, page);
	if (strcmp(mode, "sparse") == 0)
		return sparse(needle);
	if (strcmp(mode, "big") == 0)
		return big(needle, 64 * PIECE);
	/* more than what a throttle lets pass at once */
	if (strcmp(mode, "huge") == 0)
		return big(needle, 1024 * PIECE);
	if (strcmp(mode, "file") == 0 || strcmp(mode, "touched") == 0)
		return map_file(file, mode[0] == 't');
	if (strcmp(mode, "piece") == 0) {
		/* across every border of pieces there may be */
		p = map(4 * PIECE, PROT_READ | PROT_WRITE, 0);
		memset(p, '.', 4 * PIECE);
		put(p + PIECE - strlen(needle) / 2, needle);
		return p + PIECE - strlen(needle) / 2;
	}
	if (strcmp(mode, "far") == 0)
		return far(needle);
	if (strcmp(mode, "hidden") == 0) {
		p = map(page, PROT_READ | PROT_WRITE, 0);
		put(p, needle);
		if (mprotect(p, page, PROT_NONE) != 0)
			err(1, "mprotect");
		return p;
	}
	if (strcmp(mode, "library") == 0 && dlopen(file, RTLD_NOW) == NULL)
		errx(1, "%s", dlerror());
	if (strcmp(mode, "change") == 0)
		change(page);
	/* a child that has ended and is not waited for */
	if (strcmp(mode, "zombie") == 0 && fork() == 0)
		_exit(0);
	return NULL;
}

int
main(int argc, char **argv)
{
	volatile char stack[256] = { 0 };
	char *at;

	if (argc < 3 || strlen(argv[2]) >= sizeof(stack))
		errx(2, "usage: memprobe MODE NEEDLE [FILE]");
	at = place(argv[1], argv[2], argc > 3 ? argv[3] : "");
	if (strcmp(argv[1], "stack") == 0) {
		at = (char *)(uintptr_t)stack;
		put(at, argv[2]);
	}
	printf("ready %llu\n", (unsigned long long)(uintptr_t)at);
	fflush(stdout);
	pause();
	return stack[0];
}
