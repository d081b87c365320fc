/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Updates as decisions. Pure. Must never let go of the way back before the newer image has proved good, and never blame an image for what
 * an operator or another unit did.
 */
#include "supervise/update_policy.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "util/str.h"

#define MAX_BOOTS 2 /* an image that takes the whole machine down has so many chances */
#define JITTER_MAX_USEC (15 * 60 * USEC_SEC) /* podman-auto-update.timer's RandomizedDelaySec= */
#define SHORT_DIGEST 19			     /* "sha256:" and twelve digits */

const char *update_outcome_name(enum update_outcome outcome)
{
	static const char *const names[] = {
		[UPDATE_UNKNOWN] = "",	    [UPDATE_FALSE] = "false",
		[UPDATE_TRUE] = "true",	    [UPDATE_PENDING] = "pending",
		[UPDATE_FAILED] = "failed", [UPDATE_WENT_BACK] = "rolled back",
	};

	return names[outcome];
}

static void ERR_PRINTF(3, 4)
	conclude(struct update_state *s, enum update_outcome outcome, const char *fmt, ...)
{
	char text[sizeof(s->text)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	s->outcome = outcome;
	str_copy_text(s->text, sizeof(s->text), text);
}

static void rest(struct update_state *s)
{
	s->phase = UPDATE_IDLE;
	s->deadline = USEC_NEVER;
	s->run_id[0] = '\0';
}

static void set(char digest[UPDATE_DIGEST_SIZE], const char *to)
{
	str_copy(digest, UPDATE_DIGEST_SIZE, to);
}

/* --- towards the newer one --------------------------------------------------------------------------------------------------- */

static void arm(struct update_state *s, const char *current, struct update_step *out)
{
	set(s->kept.old, current);
	set(s->kept.pin, s->next);
	s->kept.keeps_failed = s->keeps_failed;
	s->kept.boots = 0;
	s->phase = UPDATE_ARMING;
	out->save = true;
}

static void on_found(struct update_state *s, const struct update_event *ev, struct update_step *out)
{
	if (s->phase != UPDATE_IDLE)
		return;
	if (str_eq(ev->digest, ev->run_digest)) {
		conclude(s, UPDATE_FALSE, "%s", "");
		/* the name means again what it was pinned to */
		out->save = s->kept.pin[0] != '\0';
		s->kept.pin[0] = '\0';
		return;
	}
	if (str_eq(ev->digest, s->kept.bad)) {
		conclude(
			s, UPDATE_FALSE,
			"%.*s was tried and found bad; it is not tried again until the name means another",
			SHORT_DIGEST, ev->digest);
		return;
	}
	conclude(s, UPDATE_PENDING, "%s", ev->digest);
	if (ev->is_dry)
		return;
	set(s->next, ev->digest);
	set(s->pin_before, s->kept.pin);
	s->keeps_failed = ev->keeps_failed;
	if (ev->in_store) {
		arm(s, ev->run_digest, out);
		return;
	}
	set(s->kept.pin, ev->run_digest);
	s->phase = UPDATE_PINNING;
	out->save = true;
}

static void on_pulled(struct update_state *s, const struct update_event *ev,
		      struct update_step *out)
{
	char current[UPDATE_DIGEST_SIZE];

	if (s->phase != UPDATE_FETCHING)
		return;
	set(current, s->kept.pin);
	set(s->next, ev->digest);
	if (!str_eq(s->next, current) && !str_eq(s->next, s->kept.bad)) {
		arm(s, current, out);
		return;
	}
	/* somebody has moved the name meanwhile */
	if (str_eq(s->next, current))
		s->kept.pin[0] = '\0';
	conclude(s, UPDATE_FALSE, "%s", "");
	rest(s);
	out->save = true;
}

static void on_not_pulled(struct update_state *s, const struct update_event *ev,
			  struct update_step *out)
{
	if (s->phase != UPDATE_FETCHING)
		return;
	set(s->kept.pin, s->pin_before);
	conclude(s, UPDATE_FAILED, "%s", ev->text);
	rest(s);
	out->save = true;
}

/* --- back -------------------------------------------------------------------------------------------------------------------- */

static void go_back(struct update_state *s, const struct update_event *ev, bool is_to_blame,
		    const char *why, struct update_step *out)
{
	char failed[UPDATE_DIGEST_SIZE];

	set(failed, s->kept.pin);
	out->save = true;
	conclude(s, s->kept.keeps_failed ? UPDATE_FAILED : UPDATE_WENT_BACK, "%s", why);
	update_record_add(&s->kept, ev->real_usec,
			  s->kept.keeps_failed ? UPDATE_WAS_KEPT : UPDATE_WAS_ROLLED_BACK, failed,
			  why);
	if (s->kept.keeps_failed) {
		s->kept.pin[0] = s->kept.old[0] = '\0';
		s->kept.keeps_failed = false;
		rest(s);
		return;
	}
	if (is_to_blame)
		set(s->kept.bad, failed);
	set(s->kept.pin, s->kept.old);
	s->kept.old[0] = '\0';
	s->phase = UPDATE_RETREATING;
	s->deadline = USEC_NEVER;
	out->tell = UPDATE_TELL_ROLLBACK;
	snprintf(out->text, sizeof(out->text), "%.*s: %s; back to %.*s", SHORT_DIGEST, failed, why,
		 SHORT_DIGEST, s->kept.pin);
}

static void on_rollback(struct update_state *s, const struct update_event *ev,
			struct update_step *out)
{
	if (s->phase != UPDATE_IDLE)
		return;
	/* or the next check would undo it */
	if (ev->run_digest[0] && !str_eq(ev->run_digest, ev->digest))
		set(s->kept.bad, ev->run_digest);
	if (str_eq(s->kept.bad, ev->digest))
		s->kept.bad[0] = '\0';
	set(s->kept.pin, ev->digest);
	update_record_add(&s->kept, ev->real_usec, UPDATE_WAS_BY_HAND, ev->digest, "");
	conclude(s, UPDATE_WENT_BACK, "by hand");
	s->phase = UPDATE_RETREATING;
	out->save = true;
	out->tell = UPDATE_TELL_ROLLBACK;
	snprintf(out->text, sizeof(out->text), "by hand to %.*s", SHORT_DIGEST, ev->digest);
}

/* --- the judgement ----------------------------------------------------------------------------------------------------------- */

static void prove_good(struct update_state *s, const struct update_event *ev,
		       struct update_step *out)
{
	bool has_old = false;

	for (unsigned i = 0; i < s->kept.count; i++)
		has_old |= str_eq(s->kept.history[i].digest, s->kept.old) &&
			   s->kept.history[i].result != UPDATE_WAS_ROLLED_BACK;
	if (!has_old)
		update_record_add(&s->kept, ev->real_usec, UPDATE_WAS_BEFORE, s->kept.old, "");
	update_record_add(&s->kept, ev->real_usec, UPDATE_WAS_UPDATED, s->kept.pin, "");
	conclude(s, UPDATE_TRUE, "%s", s->kept.pin);
	s->kept.pin[0] = s->kept.old[0] = s->kept.bad[0] = '\0';
	s->kept.keeps_failed = false;
	rest(s);
	out->save = true;
}

static bool is_failure(enum core_result result)
{
	switch (result) {
	case CORE_RESULT_EXIT_CODE:
	case CORE_RESULT_SIGNAL:
	case CORE_RESULT_OOM:
	case CORE_RESULT_TIMEOUT:
	case CORE_RESULT_UNHEALTHY:
	case CORE_RESULT_START_ERROR:
	case CORE_RESULT_SHIM_LOST:
	case CORE_RESULT_IMAGE:
	case CORE_RESULT_WATCHDOG:
	case CORE_RESULT_PROTOCOL:
		return true;
	case CORE_RESULT_NONE:
	case CORE_RESULT_SUCCESS:
	case CORE_RESULT_START_LIMIT: /* these are not about the image */
	case CORE_RESULT_DEPENDENCY:
	case CORE_RESULT_INVALID:
	case CORE_RESULT_CONDITION:
	case CORE_RESULT_ASSERT:
		break;
	}
	return false;
}

static bool gave_up(const struct update_event *ev)
{
	return ev->state == CORE_BACKOFF || ev->state == CORE_FAILED;
}

/* True: it is up, and the trial begins. */
static bool judge_start(struct update_state *s, const struct update_event *ev,
			struct update_step *out)
{
	bool is_new = str_eq(ev->run_digest, s->kept.pin);

	s->deadline = USEC_NEVER;
	if (gave_up(ev) &&
	    ((is_new && is_failure(ev->result)) || ev->result == CORE_RESULT_IMAGE)) {
		go_back(s, ev, true, "it did not come up", out);
	} else if (ev->state == CORE_FAILED && ev->result == CORE_RESULT_START_LIMIT) {
		go_back(s, ev, is_new, "the start limit is reached", out);
	} else if (is_new && ev->state == CORE_DOWN && ev->result == CORE_RESULT_SUCCESS &&
		   ev->is_oneshot) {
		prove_good(s, ev, out);
	} else if (is_new && ev->state == CORE_STARTING) {
		s->deadline = ev->since + ev->start_limit_usec;
		if (ev->now >= s->deadline)
			go_back(s, ev, true, "it was not ready in time", out);
	}
	return s->phase == UPDATE_STARTING && is_new && ev->state == CORE_UP && ev->is_wanted;
}

/* Somebody stops or restarts it: the trial begins anew with its next start. */
static void interrupt(struct update_state *s)
{
	s->phase = UPDATE_STARTING;
	s->run_id[0] = '\0';
	s->deadline = USEC_NEVER;
}

static void judge_up(struct update_state *s, const struct update_event *ev, struct update_step *out)
{
	bool has_health = ev->health_limit_usec != 0;

	s->deadline = ev->since + (has_health ? ev->health_limit_usec : ev->healthy_after_usec);
	if (ev->health == CORE_UNHEALTHY)
		go_back(s, ev, true, "it is unhealthy", out);
	else if (has_health ? ev->health == CORE_HEALTHY : ev->now >= s->deadline)
		prove_good(s, ev, out);
	else if (ev->now >= s->deadline)
		go_back(s, ev, true, "it was not healthy in time", out);
}

static void judge_trial(struct update_state *s, const struct update_event *ev,
			struct update_step *out)
{
	if (ev->state == CORE_UP && str_eq(ev->run_id, s->run_id)) {
		judge_up(s, ev, out);
	} else if (ev->state == CORE_STOPPING && !is_failure(ev->result)) {
		interrupt(s);
	} else if (ev->state == CORE_STOPPING || gave_up(ev)) {
		go_back(s, ev, true,
			ev->result == CORE_RESULT_UNHEALTHY ? "it is unhealthy" : "it failed", out);
	} else if (!ev->is_wanted && ev->is_oneshot && ev->result == CORE_RESULT_SUCCESS) {
		if (ev->state == CORE_DOWN)
			prove_good(s, ev, out);
	} else {
		go_back(s, ev, true, "it ended", out);
	}
}

static void on_unit(struct update_state *s, const struct update_event *ev, struct update_step *out)
{
	if (s->phase == UPDATE_STARTING && judge_start(s, ev, out)) {
		s->phase = UPDATE_TRIAL;
		str_copy(s->run_id, sizeof(s->run_id), ev->run_id);
	}
	if (s->phase == UPDATE_TRIAL)
		judge_trial(s, ev, out);
	else if (s->phase == UPDATE_RETURNING &&
		 (!ev->is_wanted ||
		  (str_eq(ev->run_digest, s->kept.pin) && (ev->state == CORE_UP || gave_up(ev))) ||
		  ev->state == CORE_FAILED))
		rest(s);
}

/* --- the record -------------------------------------------------------------------------------------------------------------- */

static void on_saved(struct update_state *s, struct update_step *out)
{
	if (s->phase == UPDATE_PINNING) {
		s->phase = UPDATE_FETCHING;
		out->pull = true;
	} else if (s->phase == UPDATE_ARMING) {
		s->phase = UPDATE_STARTING;
		out->restart = true;
		out->tell = UPDATE_TELL_UPDATE;
		snprintf(out->text, sizeof(out->text), "updated to %s", s->kept.pin);
	} else if (s->phase == UPDATE_RETREATING) {
		s->phase = UPDATE_RETURNING;
		out->restart = true;
		snprintf(out->text, sizeof(out->text), "rolled back to %s", s->kept.pin);
	}
}

/* The engine before this one has written the pin, and ended before it restarted the unit, or told anybody. */
static void on_adopted(struct update_state *s, const struct update_event *ev,
		       struct update_step *out)
{
	bool runs = ev->is_wanted && (ev->state == CORE_UP || ev->state == CORE_STARTING);

	if (!runs || !s->kept.pin[0] || !ev->run_digest[0] || str_eq(ev->run_digest, s->kept.pin))
		return;
	s->phase = s->phase == UPDATE_STARTING ? UPDATE_ARMING : UPDATE_RETREATING;
	on_saved(s, out);
}

static void on_not_saved(struct update_state *s, const struct update_event *ev,
			 struct update_step *out)
{
	if (s->phase == UPDATE_PINNING || s->phase == UPDATE_ARMING) {
		set(s->kept.pin, s->phase == UPDATE_PINNING ? s->pin_before : s->kept.old);
		s->kept.old[0] = '\0';
		conclude(s, UPDATE_FAILED, "the record of it cannot be written: %s", ev->text);
		rest(s);
	} else if (s->phase == UPDATE_RETREATING) {
		on_saved(s, out); /* what is good now matters more than what is remembered */
	}
}

void update_step(struct update_state *s, const struct update_event *ev, struct update_step *out)
{
	*out = (struct update_step){ 0 };
	switch (ev->type) {
	case UPDATE_EV_FOUND:
		on_found(s, ev, out);
		break;
	case UPDATE_EV_NOT_FOUND:
		if (s->phase == UPDATE_IDLE)
			conclude(s, UPDATE_FAILED, "%s", ev->text);
		break;
	case UPDATE_EV_SAVED:
		on_saved(s, out);
		break;
	case UPDATE_EV_NOT_SAVED:
		on_not_saved(s, ev, out);
		break;
	case UPDATE_EV_PULLED:
		on_pulled(s, ev, out);
		break;
	case UPDATE_EV_NOT_PULLED:
		on_not_pulled(s, ev, out);
		break;
	case UPDATE_EV_UNIT:
		on_unit(s, ev, out);
		break;
	case UPDATE_EV_ROLLBACK:
		on_rollback(s, ev, out);
		break;
	case UPDATE_EV_ADOPTED:
		on_adopted(s, ev, out);
		break;
	}
}

void update_restore(struct update_state *s, const struct update_record *record, const char *image,
		    const char *boot_id, int64_t real_usec, struct update_step *out)
{
	const struct update_event ev = { .real_usec = real_usec };

	*out = (struct update_step){ 0 };
	*s = (struct update_state){ .deadline = USEC_NEVER };
	if (str_eq(record->image, image))
		s->kept = *record;
	str_copy(s->kept.image, sizeof(s->kept.image), image);
	if (s->kept.old[0]) {
		s->phase = UPDATE_STARTING;
		conclude(s, UPDATE_PENDING, "%s", s->kept.pin);
		if (!str_eq(s->kept.boot_id, boot_id)) {
			s->kept.boots++;
			out->save = true;
		}
	}
	str_copy(s->kept.boot_id, sizeof(s->kept.boot_id), boot_id);
	if (s->kept.boots <= MAX_BOOTS || !s->kept.old[0])
		return;
	s->kept.boots = 0;
	go_back(s, &ev, true, "the appliance ended again and again while it was tried", out);
	rest(s); /* nothing has been started yet */
}

bool update_is_busy(const struct update_state *s, bool is_wanted)
{
	return s->phase != UPDATE_IDLE && (is_wanted || s->phase != UPDATE_STARTING);
}

const char *update_rollback_target(const struct update_record *record, const char *run_digest,
				   const char *wanted, struct err *err)
{
	for (unsigned i = record->count; i > 0; i--) {
		const struct update_entry *entry = &record->history[i - 1];
		bool fits = wanted ? str_starts(entry->digest, wanted) ||
					     str_starts(entry->digest + strlen("sha256:"), wanted) :
				     entry->result != UPDATE_WAS_ROLLED_BACK &&
					     entry->result != UPDATE_WAS_KEPT;

		if (fits && !str_eq(entry->digest, run_digest))
			return entry->digest;
		if (fits && wanted) {
			err_set(err, ERR_INPUT, "it runs with %s already", entry->digest);
			return NULL;
		}
	}
	if (wanted)
		err_set(err, ERR_NOT_FOUND, "%s is none of the digests in its history", wanted);
	else
		err_set(err, ERR_NOT_FOUND,
			"its history knows no earlier image: there was no update yet");
	return NULL;
}

uint64_t update_next_check(uint64_t interval_usec, int64_t last_real_usec, int64_t now_real_usec,
			   uint64_t random)
{
	uint64_t jitter = interval_usec / 10 < JITTER_MAX_USEC ? interval_usec / 10 :
								 JITTER_MAX_USEC;
	uint64_t elapsed;

	jitter = jitter ? random % jitter : 0;
	if (last_real_usec <= 0)
		return jitter;
	/* the clock was set back: nobody knows how long it is ago */
	elapsed = now_real_usec > last_real_usec ? (uint64_t)(now_real_usec - last_real_usec) : 0;
	return (elapsed < interval_usec ? interval_usec - elapsed : 0) + jitter;
}
