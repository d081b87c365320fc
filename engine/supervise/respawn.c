/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one way in which workers are started again. Must never start one itself, and never forget one: after each failure a start is due.
 */
#include "supervise/respawn.h"

#include <stddef.h>

#define PUT_OFF_USEC (25 * USEC_MSEC)

void respawn_init(struct respawn *k, const struct respawn_policy *policy, struct loop *loop,
		  void *arg)
{
	*k = (struct respawn){ .policy = policy, .loop = loop, .arg = arg };
}

void respawn_began(struct respawn *k)
{
	k->began = loop_now(k->loop);
}

void respawn_well(struct respawn *k)
{
	k->failures = 0;
}

void respawn_ended(struct respawn *k)
{
	if (k->began && loop_now(k->loop) - k->began >= k->policy->steady_usec)
		respawn_well(k);
	k->began = 0; /* a start that fails is no life */
}

static usec_t delay_usec(const struct respawn *k)
{
	usec_t delay = k->policy->first_usec, max = k->policy->max_usec;

	for (unsigned i = 0; i < k->failures && delay < max; i++)
		delay *= 2;
	return delay < max ? delay : max;
}

void respawn_again(struct respawn *k)
{
	respawn_ended(k);
	respawn_later(k, delay_usec(k));
	k->failures++;
}

static void on_timer(struct loop *loop, usec_t now, void *arg)
{
	struct respawn *k = arg;

	(void)loop;
	(void)now;
	respawn_stop(k);
	k->policy->start(k->arg);
}

void respawn_later(struct respawn *k, usec_t delay)
{
	if (!k->timer)
		k->timer = loop_timer(k->loop, loop_now(k->loop) + delay, on_timer, k);
}

bool respawn_puts_off(struct respawn *k, bool is_busy, usec_t until)
{
	if (!is_busy || loop_now(k->loop) >= until)
		return false;
	respawn_later(k, PUT_OFF_USEC);
	return true;
}

void respawn_stop(struct respawn *k)
{
	loop_remove(k->loop, k->timer);
	k->timer = NULL;
}
