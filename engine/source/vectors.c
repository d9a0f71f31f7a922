#include "vectors.h"

#include "vectors_formats.h"

/* Strong evidence first: names and the numbers of hnswlib prove least. */
static const struct {
	const char *format;
	bool (*count)(const struct rvs_probe *probe, struct rvs_vectors *ret);
} formats[] = {
	{ "redb", rvs_vectors_redb },       { "rvf", rvs_vectors_rvf },
	{ "npy", rvs_vectors_npy },         { "faiss", rvs_vectors_faiss },
	{ "hnswlib", rvs_vectors_hnswlib }, { "vecs", rvs_vectors_vecs },
	{ "usearch", rvs_vectors_usearch },
};

void rvs_vectors_count(const struct rvs_input *input, const char *name,
		       struct rvs_vectors *ret)
{
	struct rvs_probe probe = rvs_probe_of(input, name);

	for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++) {
		*ret = (struct rvs_vectors){ .vectors.kind = RVS_VECTORS_FILE,
					     .format = formats[i].format };
		if (formats[i].count(&probe, ret))
			return;
	}
	*ret = (struct rvs_vectors){ .vectors.kind = RVS_VECTORS_NONE };
}

void rvs_vectors_sum_add(struct rvs_vectors_sum *sum,
			 const struct rvs_vector_note *vectors)
{
	switch (vectors->kind) {
	case RVS_VECTORS_NONE:
		break;
	case RVS_VECTORS_FILE:
		sum->files++;
		sum->unknown_files += vectors->known ? 0 : 1;
		sum->vectors += vectors->count;
		break;
	case RVS_VECTORS_INDEX:
		sum->indexes++;
		sum->unknown_indexes += vectors->known ? 0 : 1;
		sum->indexed_vectors += vectors->count;
		break;
	}
}

bool rvs_vectors_sum_get(const struct rvs_vectors_sum *sum, uint64_t *ret)
{
	if (sum->files > 0) {
		*ret = sum->vectors;
		return sum->unknown_files == 0;
	}
	*ret = sum->indexed_vectors;
	return sum->indexes > 0 && sum->unknown_indexes == 0;
}
