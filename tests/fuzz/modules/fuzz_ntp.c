/* SPDX-License-Identifier: MPL-2.0 */
/* An answer of a time server. The first 8 bytes are what the request's transmit
 * time was, the next 8 the local clock. */
#include "modules/timedrift/choose.h"
#include "modules/timedrift/ntp.h"

#include "base/err.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ntp_sample s[2] = { { 0, 0, 0 } };
	struct ntp_reply r;
	struct choice c;
	struct err e;
	bool agrees[2];
	int64_t t0;

	if (size < 16)
		return 0;
	memcpy(&t0, data + 8, sizeof(t0));
	if (ntp_reply_parse(data + 16, size - 16, data, &r, &e) != 0)
		return 0;
	BUG_ON(size < 16 + NTP_SIZE || r.stratum == 0 || r.stratum > 15 ||
	    r.root_delay < 0 || r.root_dispersion < 0);
	if (ntp_sample(
		&r, t0, t0 < INT64_MAX - 5000 ? t0 + 5000 : t0, &s[1], &e) != 0)
		return 0;
	BUG_ON(s[1].delay < 0 || s[1].distance < 0);
	choose(s, 2, agrees, &c);
	BUG_ON(c.best == NULL);
	return 0;
}
