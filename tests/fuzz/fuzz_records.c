/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records that outlive who wrote them: results of health checks, the ring of events, what an engine leaves of a unit, what an operator
 * has chosen, what updates came to, what a unit has asked of the appliance. Each gets the same bytes; magics part them. Oracle beside the sanitizers: what is accepted is within its bounds and means
 * the same when it is written again; a refusal keeps nothing.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yyjson.h>

#include "supervise/choices.h"
#include "supervise/health_log.h"
#include "supervise/host_probe.h"
#include "supervise/internal.h"
#include "supervise/last_good.h"
#include "supervise/machine.h"
#include "supervise/update_record.h"
#include "tests/fuzz/fuzz.h"
#include "util/events.h"
#include "util/str.h"

static char place[] = "/tmp/cleat-fuzz-records-XXXXXX";
static char path[64];
static int ring;

static void remove_place(void)
{
	unlink(path);
	rmdir(place);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	check(mkdtemp(place) != NULL, "a folder can be made");
	snprintf(path, sizeof(path), "%s/web.container", place);
	check(atexit(remove_place) == 0, "it can be removed");
	ring = memfd_create("ring", MFD_CLOEXEC);
	check(ring >= 0, "memory for the ring");
	return 0;
}

static void write_file(const uint8_t *data, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	check(fd >= 0 && write(fd, data, size) == (ssize_t)size, "the file is written");
	close(fd);
}

/* --- results of health checks ----------------------------------------------------------------------------------------- */

static void check_health_json(const struct health_log *log)
{
	auto_buf text = BUF_INIT(16 * 1024 * 1024);
	struct json json = JSON_TO(&text);
	yyjson_doc *doc;

	json_object(&json, NULL);
	health_log_json(log, "healthy", 0, &json);
	json_object_end(&json);
	check(!text.failed, "the results fit");
	doc = yyjson_read(text.data, text.len, 0);
	check(yyjson_arr_size(yyjson_obj_get(yyjson_doc_get_root(doc), "Log")) == log->count,
	      "each result is in the JSON");
	yyjson_doc_free(doc);
}

static void try_health(const uint8_t *data, size_t size)
{
	auto_buf text = BUF_INIT(HEALTH_LOG_MAX_BYTES);
	auto_arena arena = { 0 };
	struct health_log one, two;
	struct err err = { 0 };

	if (health_log_parse(data, size, &arena, &one, &err) < 0) {
		check(err.code == ERR_INTEGRITY, "a refusal is told from other errors");
		return;
	}
	check(one.count <= HEALTH_LOG_MAX_COUNT, "results are bounded");
	health_log_format(&one, &text);
	check(!text.failed, "what was read can be written");
	check(health_log_parse(text.data, text.len, &arena, &two, &err) == 0 &&
		      two.count == one.count,
	      "its bytes are accepted");
	for (size_t i = 0; i < one.count; i++)
		check(str_eq(one.items[i].output, two.items[i].output) &&
			      strlen(one.items[i].output) <= HEALTH_LOG_MAX_TEXT &&
			      one.items[i].start_real_usec == two.items[i].start_real_usec &&
			      one.items[i].end_real_usec == two.items[i].end_real_usec &&
			      one.items[i].exit_code == two.items[i].exit_code &&
			      one.items[i].startup == two.items[i].startup,
		      "a result is the same again");
	check_health_json(&one);
}

/* --- the ring of events ------------------------------------------------------------------------------------------------ */

static void check_event(const struct event *e)
{
	static const struct event_filter all;
	struct event_filter some = { .count = 0 };
	struct err err;

	check(memchr(e->run_id, 0, sizeof(e->run_id)) && memchr(e->name, 0, sizeof(e->name)) &&
		      memchr(e->unit, 0, sizeof(e->unit)) &&
		      memchr(e->image, 0, sizeof(e->image)) && memchr(e->text, 0, sizeof(e->text)),
	      "texts of an event end");
	check(event_filter_fits(&all, e), "no filter lets everything pass");
	check(event_filter_add(&some, "container", e->name, &err) == 0 &&
		      event_filter_fits(&some, e),
	      "an event has its own name");
	if (event_row(e->kind)) {
		check(event_filter_add(&some, "event", event_row(e->kind)->name, &err) == 0 &&
			      event_filter_fits(&some, e),
		      "an event is of its own kind");
	}
}

static void try_events(const uint8_t *data, size_t size)
{
	struct event_reader reader;
	struct event event;
	struct err err = { 0 };
	uint64_t lost, before;
	unsigned turns = 0;
	int rc;

	check(ftruncate(ring, 0) == 0 && pwrite(ring, data, size, 0) == (ssize_t)size,
	      "the ring is written");
	for (int at_end = 0; at_end < 2; at_end++) {
		if (event_reader_init(&reader, ring, at_end, &err) < 0) {
			check(err.code == ERR_INTEGRITY, "another form is told");
			return;
		}
		before = reader.next;
		while ((rc = event_read(&reader, &event, &lost, &err)) == 1) {
			check(event.sequence == before + lost, "numbers have no gap but the lost");
			before = event.sequence + 1;
			check_event(&event);
			check(++turns <= EVENT_RING_COUNT, "a ring has an end");
		}
		check(rc == 0 && reader.next == before + lost, "all are told or counted");
	}
}

/* A writer takes over what it finds, or begins anew: either way what it writes can be read. */
static void try_event_writer(const uint8_t *data, size_t size)
{
	struct event event = { .kind = EVENT_DIE, .name = "web" }, again;
	struct event_writer *writer;
	struct event_reader reader;
	uint64_t lost;
	struct err err;
	int fd, rc = -1;

	write_file(data, size);
	writer = event_writer_open(path, &err);
	check(writer != NULL, "a ring can be had");
	event_write(writer, &event);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (event_reader_init(&reader, fd, false, &err) == 0)
		while ((rc = event_read(&reader, &again, &lost, &err)) == 1)
			if (again.sequence == event.sequence)
				break;
	check(rc == 1 && str_eq(again.name, "web") && again.kind == EVENT_DIE,
	      "what was written is read");
	close(fd);
	event_writer_close(writer);
	unlink(path);
}

/* --- what an engine leaves of a unit ------------------------------------------------------------------------------------ */

static void try_unit(const uint8_t *data, size_t size)
{
	static const struct unit_record nothing;
	struct unit_record one, two;
	struct err err = { 0 };

	if (record_parse(data, size, &one, &err) < 0) {
		check(err.code == ERR_INTEGRITY && memcmp(&one, &nothing, sizeof(one)) == 0,
		      "a refusal keeps nothing");
		return;
	}
	check(memchr(one.run_id, 0, sizeof(one.run_id)) &&
		      memchr(one.boot_id, 0, sizeof(one.boot_id)) &&
		      memchr(one.container_name, 0, sizeof(one.container_name)) &&
		      memchr(one.unit_name, 0, sizeof(one.unit_name)) &&
		      memchr(one.last_output, 0, sizeof(one.last_output)) &&
		      memchr(one.status_text, 0, sizeof(one.status_text)) &&
		      memchr(one.reason, 0, sizeof(one.reason)),
	      "texts of a unit's record end");
	check(!strchr(one.unit_name, '/') && !strchr(one.container_name, '/'),
	      "names lead nowhere");
	check(one.core_state <= CORE_FAILED && one.core_result <= CORE_RESULT_PROTOCOL &&
		      one.health <= CORE_UNHEALTHY,
	      "states are known ones");
	check(record_parse(&one, sizeof(one), &two, &err) == 0 &&
		      memcmp(&one, &two, sizeof(one)) == 0,
	      "a record is the same again");
}

/* --- what an operator has chosen, copies of units ------------------------------------------------------------------------ */

static void try_choices(void)
{
	static struct choices one, two;
	struct err err = { 0 };

	if (choices_load(&one, path, &err) < 0) {
		check(one.count == 0 && err.msg[0], "a refusal chooses nothing");
		return;
	}
	check(one.count <= CHOICES_MAX, "choices are bounded");
	for (size_t i = 0; i < one.count; i++) {
		const struct choice *c = &one.items[i];

		check(!i || strcmp(c[-1].unit, c->unit) < 0, "choices are in order");
		check(!(c->is_enabled && c->is_disabled), "nothing is both");
		check(choices_find(&one, c->unit) == c, "each is found");
	}
	check(choices_save(&one, path, &err) == 0 && choices_load(&two, path, &err) == 0,
	      "its text is accepted");
	check(one.count == two.count &&
		      memcmp(one.items, two.items, one.count * sizeof(one.items[0])) == 0,
	      "choices are the same again");
}

static void try_copy(void)
{
	auto_arena arena = { 0 };
	struct unit_substitute s;
	struct err err = { 0 };

	if (last_good_read(place, "web.container", &arena, &s, &err) < 0) {
		check(err.code == ERR_INTEGRITY || err.code == ERR_LIMIT, "a refusal has a reason");
		return;
	}
	check(s.path[0] == '/' && s.folder[0] == '/', "places are absolute");
	check(!strchr(s.path, '\n') && !strchr(s.folder, '\n') && !strchr(s.service, '\n'),
	      "lines of the head are lines");
	check(strlen(s.text) == s.length && s.length <= LAST_GOOD_MAX_BYTES, "its text is whole");
}

/* --- what is kept of a unit's updates ------------------------------------------------------------------------------------ */

static void try_update(const uint8_t *data, size_t size)
{
	auto_buf first = BUF_INIT(4 * UPDATE_RECORD_MAX_BYTES);
	auto_buf second = BUF_INIT(4 * UPDATE_RECORD_MAX_BYTES);
	char *text = strndup((const char *)data, size);
	struct update_record one, two;
	struct err err = { 0 };

	check(text != NULL, "memory");
	if (update_record_read(text, &one, &err) == 0) {
		check(one.image[0] && one.count <= UPDATE_HISTORY_MAX, "a record is of an image");
		update_record_write(&one, &first);
		update_record_write(&one, &second);
		check(!first.failed && update_record_read(first.data, &two, &err) == 0,
		      "its text is accepted");
		buf_fini(&first);
		update_record_write(&two, &first);
		check(str_eq(first.data, second.data), "its text is the same again");
	} else {
		check(err.code == ERR_INTEGRITY && !one.image[0] && !one.count,
		      "a refusal keeps nothing");
	}
	free(text);
}

/* --- what the host withholds -------------------------------------------------------------------------------------------- */

static void check_findings(const struct host_record *record)
{
	static struct host_finding findings[HOST_MAX_FINDINGS];
	size_t count = host_judge(record, findings), rows;

	host_checks(&rows);
	check(count == rows, "each row has its finding");
	for (size_t i = 0; i < count; i++)
		check(findings[i].level < HOST_LEVELS &&
			      memchr(findings[i].evidence, 0, sizeof(findings[i].evidence)) &&
			      (i == 0 || findings[i].level <= findings[i - 1].level),
		      "findings are known words, worst first");
}

static void try_host_record(const uint8_t *data, size_t size)
{
	static struct host_record one, two;
	struct err err = { 0 };

	if (host_record_parse(data, size, &one, &err) < 0) {
		check(err.code == ERR_INTEGRITY && one.count == 0, "a refusal keeps nothing");
		return;
	}
	check(host_record_parse(&one, sizeof(one), &two, &err) == 0 &&
		      memcmp(&one, &two, sizeof(one)) == 0,
	      "a record is the same again");
	check_findings(&one);
}

static void try_host_lines(const uint8_t *data, size_t size)
{
	static struct host_record record;
	auto_buf text = BUF_INIT(65536);

	if (size >= 65536 || buf_add(&text, data, size) < 0)
		return;
	memset(&record, 0, sizeof(record));
	host_read_tries(&record, buf_str(&text));
	for (uint32_t i = 0; i < record.count; i++)
		check(host_check_find(record.facts[i].id) && record.facts[i].is_tried &&
			      memchr(record.facts[i].text, 0, sizeof(record.facts[i].text)),
		      "only rows of the table are answered");
	check_findings(&record);
}

/* What a unit has asked of the appliance, for the boot after it. */
static void try_last_action(const uint8_t *data, size_t size)
{
	char text[MACHINE_RECORD_MAX_BYTES + 1] = "", back[MACHINE_RECORD_MAX_BYTES];
	struct machine_record one, two;
	struct err err = { 0 };

	memcpy(text, data, size < sizeof(text) - 1 ? size : sizeof(text) - 1);
	if (machine_record_parse(text, &one, &err) < 0) {
		check(err.code == ERR_INTEGRITY && one.count == 0, "a refusal keeps nothing");
		return;
	}
	check(one.count > 0 && one.real_sec >= 0 && !strpbrk(one.text, "\n\033"),
	      "what is shown is plain");
	check(machine_record_format(&one, back, sizeof(back)) > 0 &&
		      machine_record_parse(back, &two, &err) == 0 && two.count == one.count &&
		      two.real_sec == one.real_sec && str_eq(two.boot, one.boot) &&
		      str_eq(two.text, one.text),
	      "it means the same when it is written again");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	try_health(data, size);
	try_unit(data, size);
	try_events(data, size);
	try_host_record(data, size);
	try_host_lines(data, size);
	try_last_action(data, size);
	if (size >= sizeof(uint32_t) && memcmp(data, "CEV1", 4) == 0)
		try_event_writer(data, size);
	if (size && data[0] == '#') { /* both are files of text, which takes system calls */
		write_file(data, size);
		try_copy();
		try_choices();
		try_update(data, size);
	}
	return 0;
}
