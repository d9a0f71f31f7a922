#include "content.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "source/source.h"
#include "source/vectors.h"

void rvs_content_done(struct rvs_content *content)
{
	rvs_extents_done(&content->extents);
	rvs_buf_done(&content->signatures);
	free(content->uncounted);
}

int rvs_content_add(struct rvs_content *content, uint64_t at, uint32_t volume,
		    uint32_t member, uint32_t offset, struct rvs_error *err)
{
	const struct rvs_extent extent = { at, volume, member, offset };

	return rvs_extents_add(&content->extents, &extent, err);
}

void rvs_content_count(struct rvs_content *content,
		       const struct rvs_input *input, const char *path)
{
	struct rvs_vectors vectors;

	rvs_vectors_count(input, path, &vectors);
	content->vectors = vectors.vectors;
	free(content->uncounted); /* of an earlier reading */
	content->uncounted = vectors.note[0] ? strdup(vectors.note) : NULL;
}

int rvs_content_cannot_read(struct rvs_content *content, struct rvs_error *err)
{
	if (rvs_source_is_unreadable(errno))
		content->unreadable = errno;
	return rvs_error_errno(err, "cannot read");
}
