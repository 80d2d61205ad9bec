/* SPDX-License-Identifier: MPL-2.0 */
#include "modules/timedrift/ntp.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#include <string.h>

#define NS_PER_S INT64_C(1000000000)
#define EPOCH INT64_C(2208988800) /* seconds from 1900 to 1970 */
#define ERA (INT64_C(1) << 32)    /* seconds */

#define VERSION 4
#define MODE_CLIENT 3
#define MODE_SERVER 4
#define LEAP_UNKNOWN 3
#define STRATUM_MAX 15
#define ROOT_DISTANCE_MAX (16 * NS_PER_S)      /* RFC 5905: MAXDISP */
#define LOCAL_MAX INT64_C(7258118400000000000) /* the year 2200 */
#define DELAY_SLACK 1000000                    /* of clocks with coarse steps */

/* Where fields begin (RFC 5905 figure 8). */
enum {
	AT_STRATUM = 1,
	AT_ROOT_DELAY = 4,
	AT_ROOT_DISPERSION = 8,
	AT_REFERENCE_ID = 12,
	AT_ORIGINATE = 24,
	AT_RECEIVE = 32,
	AT_TRANSMIT = 40,
};

static uint32_t
get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	    (uint32_t)p[2] << 8 | p[3];
}

static int64_t
fraction_ns(uint32_t fraction, unsigned int bits)
{
	return (int64_t)(((uint64_t)fraction * (uint64_t)NS_PER_S) >> bits);
}

/* Seconds with the first bit are of the era that began in 1900, without it of
 * the one that begins in 2036 (RFC 4330 section 3): good until 2104. */
static int64_t
get_time(const uint8_t *p)
{
	int64_t s = get32(p);

	if (s < ERA / 2)
		s += ERA;
	return (s - EPOCH) * NS_PER_S + fraction_ns(get32(p + 4), 32);
}

/* Seconds with 16 bits behind the point. */
static int64_t
get_short(const uint8_t *p)
{
	uint32_t v = get32(p);

	return (int64_t)(v >> 16) * NS_PER_S + fraction_ns(v & 0xffff, 16);
}

static bool
is_zero(const uint8_t *p)
{
	return get32(p) == 0 && get32(p + 4) == 0;
}

void
ntp_request(const uint8_t nonce[static NTP_NONCE], uint8_t out[static NTP_SIZE])
{
	memset(out, 0, NTP_SIZE);
	out[0] = VERSION << 3 | MODE_CLIENT;
	memcpy(out + AT_TRANSMIT, nonce, NTP_NONCE);
}

/* RFC 5905 section 7.4: four letters say why. */
static int
kiss(const uint8_t *p, struct err *e)
{
	static const struct {
		char code[5];
		const char *means;
	} known[] = {
		{ "DENY", "it serves not this host" },
		{ "RSTR", "it serves not this host" },
		{ "RATE", "it was asked too often" },
		{ "INIT", "it is still starting" },
		{ "STEP", "its own clock is just being set" },
	};
	const char *means = "it serves no time";
	struct buf code;
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (memcmp(p + AT_REFERENCE_ID, known[i].code, 4) == 0)
			means = known[i].means;
	}
	buf_init(&code, 64);
	str_add_printable(&code, p + AT_REFERENCE_ID, 4);
	err_set(e, ERR_DENIED, "the server refuses (%s): %s",
	    buf_str(&code) != NULL ? buf_str(&code) : "?", means);
	buf_release(&code);
	return ERR_DENIED;
}

static int
check_head(const uint8_t *p, size_t len, const uint8_t nonce[static NTP_NONCE],
    struct err *e)
{
	unsigned int version, mode;

	if (len < NTP_SIZE)
		return err_set(e, ERR_INVALID,
		    "an answer of %zu bytes: expected at least %d", len,
		    NTP_SIZE);
	version = p[0] >> 3 & 7;
	mode = p[0] & 7;
	if (mode != MODE_SERVER || version == 0 || version > VERSION)
		return err_set(e, ERR_INVALID,
		    "an answer of mode %u, version %u: expected a server's "
		    "(mode %d), of version 1 to %d",
		    mode, version, MODE_SERVER, VERSION);
	if (memcmp(p + AT_ORIGINATE, nonce, NTP_NONCE) != 0)
		return err_set(e, ERR_AUTH,
		    "an answer to another request: its originate time is not "
		    "what was sent");
	return 0;
}

static int
check_clock(const uint8_t *p, struct err *e)
{
	if (p[AT_STRATUM] == 0)
		return kiss(p, e);
	if (p[0] >> 6 == LEAP_UNKNOWN || p[AT_STRATUM] > STRATUM_MAX)
		return err_set(e, ERR_UNSUPPORTED,
		    "the server is not synchronised itself (leap %u, stratum "
		    "%u)",
		    (unsigned)(p[0] >> 6), (unsigned)p[AT_STRATUM]);
	if (is_zero(p + AT_RECEIVE) || is_zero(p + AT_TRANSMIT))
		return err_set(e, ERR_UNSUPPORTED,
		    "the server's answer is without a time");
	if (get_short(p + AT_ROOT_DELAY) / 2 +
		get_short(p + AT_ROOT_DISPERSION) >=
	    ROOT_DISTANCE_MAX)
		return err_set(e, ERR_UNSUPPORTED,
		    "the server says that it may be wrong by more than 16 s");
	return 0;
}

int
ntp_reply_parse(const void *data, size_t len,
    const uint8_t nonce[static NTP_NONCE], struct ntp_reply *ret, struct err *e)
{
	const uint8_t *p = data;
	int rc = check_head(p, len, nonce, e);

	if (rc == 0)
		rc = check_clock(p, e);
	if (rc != 0)
		return rc;
	ret->stratum = p[AT_STRATUM];
	ret->arrived = get_time(p + AT_RECEIVE);
	ret->sent = get_time(p + AT_TRANSMIT);
	ret->root_delay = get_short(p + AT_ROOT_DELAY);
	ret->root_dispersion = get_short(p + AT_ROOT_DISPERSION);
	return 0;
}

int
ntp_sample(const struct ntp_reply *r, int64_t t0, int64_t t3,
    struct ntp_sample *ret, struct err *e)
{
	int64_t served = r->sent - r->arrived, delay;

	if (t0 < 0 || t3 > LOCAL_MAX)
		return err_set(e, ERR_INVALID,
		    "the local clock is before 1970 or after 2200: it cannot "
		    "be compared");
	delay = t3 - t0 - served;
	if (served < 0)
		return err_set(e, ERR_INVALID,
		    "the server's times cannot be: it answered before it was "
		    "asked");
	if (t3 < t0)
		return err_set(e, ERR_INVALID,
		    "the local clock was set back while the server was asked");
	if (delay < -DELAY_SLACK)
		return err_set(e, ERR_INVALID,
		    "the times cannot be: the server had the request longer "
		    "than its answer took");
	ret->delay = delay > 0 ? delay : 0;
	/* halves first: the sum may be too large */
	ret->offset = (r->arrived - t0) / 2 + (r->sent - t3) / 2;
	ret->distance = ret->delay / 2 + r->root_delay / 2 + r->root_dispersion;
	return 0;
}
