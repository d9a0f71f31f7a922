#include "signing.h"

#include "base/cleanup.h"
#include "look.h"
#include "prior.h"
#include "store/store.h"
#include "survey.h"

#define SIGNATURES_NAME ".signatures"

/* Of six million chunks: 500 GiB of data at the least. */
enum { SIGNATURES_MAX = 256 << 20 };

void rvs_signatures_load(struct rvs_store *store, struct rvs_signatures *ret)
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf bytes = RVS_BUF_INIT;

	*ret = (struct rvs_signatures)RVS_SIGNATURES_INIT;
	if (rvs_backend_read_object(store->backend, SIGNATURES_NAME,
				    SIGNATURES_MAX, &bytes, NULL) == 0)
		(void)rvs_signatures_decode(bytes.bytes, bytes.len, ret, NULL);
}

/* The file @entry has the signatures that were made for it now, or, of bytes
 * that the prior has too, those from before. */
static int keep(struct rvs_signatures *kept, const struct rvs_surveyed *entry,
		const struct rvs_prior *prior)
{
	const struct rvs_content *content = &entry->content;
	const struct rvs_digest *digest = &content->digest;
	size_t count = content->signatures.len / sizeof(struct rvs_signature);
	const struct rvs_signature *items =
		(const struct rvs_signature *)content->signatures.bytes;

	if (entry->unchanged)
		digest = &rvs_tree_entry(rvs_prior_tree(prior), entry->old)
				  ->digest;
	if (count == 0)
		items = rvs_signatures_of(rvs_prior_signatures(prior), digest,
					  &count);
	return count == 0 ? 0 :
			    rvs_signatures_add(kept, digest, items, count,
					       NULL);
}

static int save(struct rvs_store *store,
		const struct rvs_signatures *signatures)
{
	RVS_CLEANUP(rvs_buf_done) struct rvs_buf bytes = RVS_BUF_INIT;
	int r = rvs_signatures_encode(signatures, &bytes, NULL);

	if (r < 0 || bytes.len > SIGNATURES_MAX)
		return -1;
	return rvs_backend_write_object(store->backend, SIGNATURES_NAME,
					bytes.bytes, bytes.len, NULL);
}

void rvs_signatures_renew(struct rvs_store *store,
			  const struct rvs_survey *survey,
			  const struct rvs_prior *prior)
{
	RVS_CLEANUP(rvs_signatures_done)
	struct rvs_signatures kept = RVS_SIGNATURES_INIT;
	bool changed = false;
	uint32_t i;
	int r = 0;

	for (i = 0; i < survey->scan.count && r == 0; i++) {
		const struct rvs_surveyed *entry = &survey->entries[i];

		if (!rvs_look_is_file(&survey->scan, i) ||
		    entry->content.missing || entry->content.unreadable)
			continue;
		changed |= entry->content.signatures.len > 0;
		r = keep(&kept, entry, prior);
	}
	rvs_signatures_sort(&kept);
	if (r == 0 && changed)
		(void)save(store, &kept);
}

int rvs_signatures_remove(struct rvs_store *store, struct rvs_error *err)
{
	struct rvs_backend *backend = store->backend;

	return backend->ops->remove(backend, SIGNATURES_NAME, err);
}
