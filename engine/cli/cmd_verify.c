#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <rvs/job.h>

#include "command.h"
#include "output.h"
#include "progress.h"

struct findings {
	json_t *array; /* NULL: they are printed as they come */
	struct rvs_snapshot_list snapshots; /* for their names */
	struct progress progress;
};

/* The name of the snapshot @id, or its id when its record cannot be read. */
static const char *name_of(const struct findings *findings, const char *id)
{
	size_t i;

	for (i = 0; i < findings->snapshots.count; i++)
		if (!strcmp(findings->snapshots.items[i].id, id))
			return findings->snapshots.items[i].name;
	return id;
}

static json_t *finding_json(const struct findings *findings,
			    const struct rvs_finding *f)
{
	const struct rvs_damage *d = f->damage;
	char expected[RVS_DIGEST_HEX_SIZE], found[RVS_DIGEST_HEX_SIZE];

	return json_pack("{s:s, s:o, s:o, s:s, s:o, s:o, s:s, s:s, s:o}",
			 "snapshot", f->snapshot, "name",
			 json_bytes(name_of(findings, f->snapshot)), "path",
			 f->path ? json_bytes(f->path) : json_null(), "in",
			 d->snapshot, "stream", json_bytes(d->stream), "member",
			 d->member < 0 ? json_null() : json_integer(d->member),
			 "expected", rvs_digest_hex(&d->expected, expected),
			 "found", rvs_digest_hex(&d->found, found), "reason",
			 json_bytes(d->reason));
}

/* "damaged: nightly (20261122T101500Z-9f2c), file a: snapshot-ID/a.gz, ..." */
static void print_finding(const struct findings *findings,
			  const struct rvs_finding *f)
{
	const struct rvs_damage *d = f->damage;

	(void)printf("%sdamaged:%s ", colour(stdout, RED),
		     colour(stdout, PLAIN));
	print_escaped(stdout, name_of(findings, f->snapshot));
	(void)fputs(" (", stdout);
	print_escaped(stdout, f->snapshot);
	(void)putchar(')');
	if (f->path) {
		(void)fputs(", file ", stdout);
		print_escaped(stdout, f->path);
	}
	(void)fputs(": snapshot-", stdout);
	print_escaped(stdout, d->snapshot);
	(void)putchar('/');
	print_escaped(stdout, d->stream);
	if (d->member >= 0)
		(void)printf(", member %" PRId64, d->member);
	(void)fputs(": ", stdout);
	print_escaped(stdout, d->reason);
	(void)putchar('\n');
}

static void on_finding(void *arg, const struct rvs_finding *finding)
{
	struct findings *findings = arg;

	wipe_progress(&findings->progress);
	if (findings->array)
		(void)json_array_append_new(findings->array,
					    finding_json(findings, finding));
	else
		print_finding(findings, finding);
}

static int print_result(const struct rvs_verify_result *result,
			struct findings *findings)
{
	char bytes[SIZE_TEXT], snapshots[COUNT_TEXT], files[COUNT_TEXT];

	if (findings->array)
		return print_json(
			json_pack("{s:I, s:I, s:I, s:I, s:o}", "snapshots",
				  (json_int_t)result->snapshots, "files",
				  (json_int_t)result->files, "bytes",
				  (json_int_t)result->bytes, "findings",
				  (json_int_t)result->findings, "damage",
				  findings->array),
			JSON_INDENT(2));
	if (is_quiet())
		return EXIT_DONE;
	(void)printf("%s, %s, %s read: %s%s%s\n",
		     format_count(result->snapshots, "snapshot", "snapshots",
				  snapshots),
		     format_count(result->files, "file", "files", files),
		     format_size(result->bytes, bytes),
		     colour(stdout, result->findings ? RED : GREEN),
		     result->findings ? "damaged" : "all good",
		     colour(stdout, PLAIN));
	return finish_output();
}

static int verify(struct rvs_store *store, char **references, size_t count,
		  struct findings *findings)
{
	struct rvs_verify_result result;
	struct rvs_error err = RVS_ERROR_INIT;
	struct rvs_monitor monitor;
	int code = EXIT_DONE, r;

	/* Without it ids serve; damage to records is the job's to tell. */
	(void)rvs_snapshot_list(store, &findings->snapshots, NULL, NULL, NULL);
	monitor = begin_progress(&findings->progress, "verify");
	r = rvs_verify(store, (const char *const *)references, count, &monitor,
		       on_finding, findings, &result, &err);
	end_progress(&findings->progress);
	if (r < 0)
		code = report_error(&err);
	/* Last, for it is the answer. */
	if (r == 0 || r == RVS_ERR_CORRUPT)
		r = print_result(&result, findings);
	return code ? code : r;
}

static int run(int argc, char **argv)
{
	struct findings findings = { .array = NULL };
	struct rvs_store *store;
	bool json = false;
	int code;

	store = begin_command(argc, argv, &json, &code);
	if (!store)
		return code;
	if (json)
		findings.array = json_array();
	code = verify(store, argv + optind + 1, (size_t)(argc - optind - 1),
		      &findings);
	rvs_snapshot_list_done(&findings.snapshots);
	rvs_store_close(store);
	return code;
}

const struct command command_verify = {
	.name = "verify",
	.arguments = "STORE [SNAPSHOT]... [--json]",
	.summary = "read everything and name what is damaged",
	.min_arguments = 1,
	.max_arguments = -1,
	.run = run,
};
