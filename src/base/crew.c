/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Places by their number since the beginning:
 *
 *        first           taken            end
 *   ------|---------------|----------------|------>
 *   dropped   begun, some    not begun        free
 *             of them done
 */
#include "base/crew.h"

#include "base/err.h"

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define STACK_BYTES (512 * 1024)
#define WAKE_FROM 16 /* so many are worth waking a thread */

struct hand {
	struct crew *crew;
	pthread_t thread;
	int number;
};

struct crew {
	pthread_mutex_t lock;
	pthread_cond_t to_do, done;
	bool quit;
	unsigned int asleep;
	size_t places;
	uint64_t first; /* the owner's */
	uint64_t taken, end;
	bool *is_done; /* by place */
	crew_work *work;
	void *arg;
	unsigned int n;
	struct hand hands[];
};

/* With the lock held, which it gives back meanwhile. */
static void
do_one(struct crew *c, int hand)
{
	size_t place = (size_t)(c->taken++ % c->places);

	pthread_mutex_unlock(&c->lock);
	c->work(place, hand, c->arg);
	pthread_mutex_lock(&c->lock);
	c->is_done[place] = true;
}

static void *
hand_main(void *arg)
{
	struct hand *h = arg;
	struct crew *c = h->crew;

	pthread_mutex_lock(&c->lock);
	while (!c->quit) {
		if (c->taken < c->end) {
			do_one(c, h->number);
			pthread_cond_signal(&c->done);
			continue;
		}
		c->asleep++;
		pthread_cond_wait(&c->to_do, &c->lock);
		c->asleep--;
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

static void
start_hands(struct crew *c, unsigned int n)
{
	sigset_t all, before;
	pthread_attr_t attr;

	if (pthread_attr_init(&attr) != 0)
		return;
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (c->n < n) {
		struct hand *h = &c->hands[c->n];

		h->crew = c;
		h->number = (int)c->n;
		if (pthread_create(&h->thread, &attr, hand_main, h) != 0)
			break;
		c->n++;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
}

int
crew_new(unsigned int threads, size_t places, crew_work *work, void *arg,
    struct crew **ret, struct err *e)
{
	pthread_condattr_t attr;
	struct crew *c;

	if (threads > CREW_MAX)
		threads = CREW_MAX;
	c = calloc(1, sizeof(*c) + threads * sizeof(c->hands[0]));
	if (c != NULL)
		c->is_done = calloc(places, sizeof(*c->is_done));
	if (c == NULL || c->is_done == NULL) {
		free(c);
		return err_set(e, ERR_NOMEM, "out of memory");
	}
	c->places = places;
	c->work = work;
	c->arg = arg;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->to_do, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&c->done, &attr);
	pthread_condattr_destroy(&attr);
	start_hands(c, threads);
	if (c->n == 0) {
		crew_free(c);
		return err_set(e, ERR_UNSUPPORTED, "no thread can be made");
	}
	*ret = c;
	return 0;
}

void
crew_free(struct crew *c)
{
	unsigned int i;

	if (c == NULL)
		return;
	pthread_mutex_lock(&c->lock);
	c->quit = true;
	pthread_cond_broadcast(&c->to_do);
	pthread_mutex_unlock(&c->lock);
	for (i = 0; i < c->n; i++)
		pthread_join(c->hands[i].thread, NULL);
	pthread_cond_destroy(&c->to_do);
	pthread_cond_destroy(&c->done);
	pthread_mutex_destroy(&c->lock);
	free(c->is_done);
	free(c);
}

size_t
crew_used(const struct crew *c)
{
	return (size_t)(c->end - c->first);
}

bool
crew_next(const struct crew *c, size_t *ret_place)
{
	*ret_place = (size_t)(c->end % c->places);
	return crew_used(c) < c->places;
}

void
crew_add(struct crew *c, bool at_once)
{
	bool wake;

	pthread_mutex_lock(&c->lock);
	c->is_done[c->end % c->places] = false;
	c->end++;
	wake = c->asleep > 0 && (at_once || c->end - c->taken >= WAKE_FROM);
	pthread_mutex_unlock(&c->lock);
	if (wake)
		pthread_cond_signal(&c->to_do);
}

static struct timespec
in_ms(int ms)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += ms / 1000;
	t.tv_nsec += (long)(ms % 1000) * 1000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000;
	}
	return t;
}

/* With the lock held. */
static bool
first_is_done(const struct crew *c)
{
	return c->first < c->taken && c->is_done[c->first % c->places];
}

bool
crew_first(struct crew *c, int ms, size_t *ret_place)
{
	struct timespec until = { 0, 0 };
	bool done, late = ms <= 0;

	if (c->first == c->end)
		return false;
	*ret_place = (size_t)(c->first % c->places);
	if (!late)
		until = in_ms(ms);
	pthread_mutex_lock(&c->lock);
	while (!(done = first_is_done(c)) && !late) {
		if (c->taken < c->end)
			do_one(c, CREW_OWNER);
		else
			late = pthread_cond_timedwait(
				   &c->done, &c->lock, &until) != 0;
	}
	pthread_mutex_unlock(&c->lock);
	return done;
}

void
crew_drop(struct crew *c)
{
	c->first++;
}
