/* SPDX-License-Identifier: MPL-2.0 */
#include "scan/sift.h"

#include <immintrin.h>
#include <stdbool.h>
#include <string.h>

#define AVX2 __attribute__((target("avx2")))
#define VBMI __attribute__((target("avx512f,avx512bw,avx512vbmi")))

/* --- AVX2: 32 bytes at once ------------------------------------------------
 */

struct tables256 {
	__m256i low[SIFT_WINDOW], high[SIFT_WINDOW];
};

AVX2 static void
load256(const struct sift *s, struct tables256 *t)
{
	size_t i;

	for (i = 0; i < SIFT_WINDOW; i++) {
		t->low[i] = _mm256_broadcastsi128_si256(
		    _mm_loadu_si128((const void *)s->low[i]));
		t->high[i] = _mm256_broadcastsi128_si256(
		    _mm_loadu_si128((const void *)s->high[i]));
	}
}

AVX2 static inline __m256i
byte256(const struct tables256 *t, const uint8_t *p, const size_t i)
{
	const __m256i half = _mm256_set1_epi8(15);
	__m256i v = _mm256_loadu_si256((const void *)(p + i));

	return _mm256_and_si256(
	    _mm256_shuffle_epi8(t->low[i], _mm256_and_si256(v, half)),
	    _mm256_shuffle_epi8(
		t->high[i], _mm256_and_si256(_mm256_srli_epi16(v, 4), half)));
}

/* A bit for each of the 32 places from p on. */
AVX2 static inline uint32_t
look256(const struct tables256 *t, const uint8_t *p)
{
	__m256i found = _mm256_and_si256(
	    _mm256_and_si256(byte256(t, p, 0), byte256(t, p, 1)),
	    _mm256_and_si256(byte256(t, p, 2), byte256(t, p, 3)));

	return ~(uint32_t)_mm256_movemask_epi8(
	    _mm256_cmpeq_epi8(found, _mm256_setzero_si256()));
}

static inline size_t
take(uint64_t found, size_t at, uint32_t *places)
{
	size_t n = 0;

	for (; found != 0; found &= found - 1)
		places[n++] = (uint32_t)(at + (size_t)__builtin_ctzll(found));
	return n;
}

AVX2 static inline size_t
run256(const struct sift *s, const uint8_t *text, size_t len, size_t *at,
    uint32_t *places, size_t room, uint64_t which)
{
	struct tables256 t;
	uint64_t found;
	size_t n = 0, i = *at;

	load256(s, &t);
	for (; len - i >= SIFT_NEEDS && room - n >= SIFT_STEP; i += SIFT_STEP) {
		found = look256(&t, text + i) |
		    (uint64_t)look256(&t, text + i + SIFT_STEP / 2) << 32;
		n += take(found & which, i, places + n);
	}
	*at = i;
	return n;
}

AVX2 static size_t
every256(const struct sift *s, const uint8_t *text, size_t len, size_t *at,
    uint32_t *places, size_t room)
{
	return run256(s, text, len, at, places, room, UINT64_MAX);
}

AVX2 static size_t
fourth256(const struct sift *s, const uint8_t *text, size_t len, size_t *at,
    uint32_t *places, size_t room)
{
	return run256(
	    s, text, len, at, places, room, UINT64_C(0x1111111111111111));
}

/* --- AVX-512: 64 bytes at once ---------------------------------------------
 */

VBMI static inline __m512i
byte512(__m512i table, const uint8_t *p)
{
	/* the shuffle looks at six bits of each byte */
	return _mm512_permutexvar_epi8(_mm512_loadu_si512(p), table);
}

VBMI static size_t
every512(const struct sift *s, const uint8_t *text, size_t len, size_t *at,
    uint32_t *places, size_t room)
{
	const __m512i t0 = _mm512_loadu_si512(s->six[0]);
	const __m512i t1 = _mm512_loadu_si512(s->six[1]);
	const __m512i t2 = _mm512_loadu_si512(s->six[2]);
	const __m512i t3 = _mm512_loadu_si512(s->six[3]);
	const uint8_t *p;
	__m512i found;
	size_t n = 0, i = *at;

	for (; len - i >= SIFT_NEEDS && room - n >= SIFT_STEP; i += SIFT_STEP) {
		p = text + i;
		found = _mm512_and_si512(
		    _mm512_and_si512(byte512(t0, p), byte512(t1, p + 1)),
		    _mm512_and_si512(byte512(t2, p + 2), byte512(t3, p + 3)));
		n += take(_mm512_test_epi8_mask(found, found), i, places + n);
	}
	*at = i;
	return n;
}

/*
 * Each fourth place: 16 windows lie side by side. A byte's place in its window
 * chooses among the tables of 16, so one shuffle of 64 looks them all up.
 */
VBMI static size_t
fourth512(const struct sift *s, const uint8_t *text, size_t len, size_t *at,
    uint32_t *places, size_t room)
{
	const __m512i low = _mm512_loadu_si512(s->low);
	const __m512i high = _mm512_loadu_si512(s->high);
	const __m512i half = _mm512_set1_epi8(15);
	const __m512i table = _mm512_set1_epi32(0x30201000);
	const __m512i groups = _mm512_set1_epi32((1 << SIFT_GROUPS) - 1);
	const __m512i offsets = _mm512_setr_epi32(
	    0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44, 48, 52, 56, 60);
	__m512i v, found;
	size_t n = 0, i = *at;
	__mmask16 m;

	for (; len - i >= SIFT_NEEDS && room - n >= SIFT_STEP; i += SIFT_STEP) {
		v = _mm512_loadu_si512(text + i);
		/* (v & half) | table, and the same of the upper halves */
		found = _mm512_and_si512(
		    _mm512_permutexvar_epi8(
			_mm512_ternarylogic_epi32(v, half, table, 0xea), low),
		    _mm512_permutexvar_epi8(
			_mm512_ternarylogic_epi32(
			    _mm512_srli_epi16(v, 4), half, table, 0xea),
			high));
		found = _mm512_and_si512(found, _mm512_srli_epi32(found, 16));
		found = _mm512_and_si512(found, _mm512_srli_epi32(found, 8));
		m = _mm512_test_epi32_mask(found, groups);
		if (m == 0)
			continue;
		_mm512_storeu_si512(places + n,
		    _mm512_maskz_compress_epi32(m,
			_mm512_add_epi32(offsets, _mm512_set1_epi32((int)i))));
		n += (size_t)__builtin_popcount(m);
	}
	*at = i;
	return n;
}

/* --- which -----------------------------------------------------------------
 */

static bool
has_vbmi(void)
{
	return __builtin_cpu_supports("avx512f") &&
	    __builtin_cpu_supports("avx512bw") &&
	    __builtin_cpu_supports("avx512vbmi");
}

sift_run *
sift_every(enum sift_cpu at_most)
{
	if (at_most >= SIFT_AVX512 && has_vbmi())
		return every512;
	if (at_most >= SIFT_AVX2 && __builtin_cpu_supports("avx2"))
		return every256;
	return NULL;
}

sift_run *
sift_fourth(enum sift_cpu at_most)
{
	if (at_most >= SIFT_AVX512 && has_vbmi())
		return fourth512;
	if (at_most >= SIFT_AVX2 && __builtin_cpu_supports("avx2"))
		return fourth256;
	return NULL;
}
