/* SPDX-License-Identifier: MPL-2.0 */
#include "agent/monitor/days.h"

#include "agent/monitor/monitor.h"
#include "agent/store/ownrecord.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/hex.h"
#include "base/log.h"

#include <stdio.h>
#include <string.h>

static const struct {
	const char *event, *text;
} kinds[DAYS_MAX] = {
	[DAY_CANCELS] = { "cancels", "cancels of actions that are not here" },
	[DAY_REFUSED] = { "refusals", "refused actions" },
};

static void
note(struct agent *a, enum day_of what, const struct daybook_of *of,
    const char *rest)
{
	char fpr[2 * PGP_FPR_LEN + 1], text[NOTE_MAX];
	static const uint8_t others[PGP_FPR_LEN];
	struct err e;

	err_clear(&e);
	hex_encode(of->person, PGP_FPR_LEN, fpr);
	snprintf(text, sizeof(text), "%s, by %s: %u kept within a day, %s",
	    kinds[what].text,
	    memcmp(of->person, others, PGP_FPR_LEN) == 0 ? "further people"
							 : fpr,
	    of->kept, rest);
	log_warn("%s why=%s", kinds[what].event, log_quote(text));
	if (own_add_note(a->record, clock_wall_ms(), text, &e) != 0)
		log_error("record why=%s", log_quote(e.msg));
}

static void
end(struct agent *a, enum day_of what)
{
	struct daybook *d = &a->days[what];
	char rest[64];
	size_t i;

	for (i = 0; i < d->n; i++) {
		if (d->of[i].more == 0)
			continue;
		snprintf(rest, sizeof(rest), "%u more were not", d->of[i].more);
		note(a, what, &d->of[i], rest);
	}
	memset(d, 0, sizeof(*d));
}

bool
days_take(struct agent *a, enum day_of what, const struct signed_by *by,
    unsigned int most)
{
	struct daybook *d = &a->days[what];
	int64_t now = clock_mono_ms();
	const struct daybook_of *first;

	if (daybook_left(d, now) == 0)
		end(a, what);
	if (daybook_take(d, by, most, now, &first))
		return true;
	if (first != NULL) {
		note(a, what, first, "further ones are counted");
		agent_house(a, daybook_left(d, now));
	}
	return false;
}

void
days_house(struct agent *a)
{
	int64_t now = clock_mono_ms(), due;
	unsigned int i;

	for (i = 0; i < DAYS_MAX; i++) {
		due = daybook_left(&a->days[i], now);
		if (due == 0)
			end(a, i);
		else if (due > 0 && a->days[i].over)
			agent_house(a, due);
	}
}

void
days_end(struct agent *a)
{
	unsigned int i;

	for (i = 0; i < DAYS_MAX; i++)
		end(a, i);
}
