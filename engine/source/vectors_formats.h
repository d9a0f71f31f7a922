/*
 * Vectors, format by format: each function answers whether the probed file is
 * of its format, as probe.h says.
 */
#ifndef RVS_VECTORS_FORMATS_H
#define RVS_VECTORS_FORMATS_H

#include "probe.h"

/* Files of vectors. */
bool rvs_vectors_redb(const struct rvs_probe *probe, struct rvs_vectors *ret);
bool rvs_vectors_rvf(const struct rvs_probe *probe, struct rvs_vectors *ret);
bool rvs_vectors_npy(const struct rvs_probe *probe, struct rvs_vectors *ret);
bool rvs_vectors_vecs(const struct rvs_probe *probe, struct rvs_vectors *ret);

/* Indexes. */
bool rvs_vectors_faiss(const struct rvs_probe *probe, struct rvs_vectors *ret);
bool rvs_vectors_usearch(const struct rvs_probe *probe,
			 struct rvs_vectors *ret);
bool rvs_vectors_hnswlib(const struct rvs_probe *probe,
			 struct rvs_vectors *ret);

#endif
