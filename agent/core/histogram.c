/* Samples of each second of a window. */
#include "agent/core/histogram.h"

#include <errno.h>

struct histogram {
	size_t max_owners, nr_seconds;
	uint32_t **owners; /* [max_owners]: NULL, or nr_seconds numbers */
};

int histogram_new(struct histogram **ret, size_t max_owners, size_t nr_seconds)
{
	_cleanup_(histogram_freep) struct histogram *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	h->max_owners = max_owners;
	h->nr_seconds = nr_seconds;
	h->owners = calloc(max_owners, sizeof(*h->owners));
	if (!h->owners)
		return -ENOMEM;
	*ret = TAKE_PTR(h);
	return 0;
}

struct histogram *histogram_free(struct histogram *h)
{
	if (!h)
		return NULL;
	for (size_t i = 0; h->owners && i < h->max_owners; i++)
		free(h->owners[i]);
	free(h->owners);
	free(h);
	return NULL;
}

int histogram_add(struct histogram *h, size_t owner, int64_t second, uint32_t samples)
{
	size_t index = MIN((size_t)MAX(second, 0), h->nr_seconds - 1);

	if (!h->owners[owner])
		h->owners[owner] = calloc(h->nr_seconds, sizeof(**h->owners));
	if (!h->owners[owner])
		return -ENOMEM;
	h->owners[owner][index] += samples;
	return 0;
}

const uint32_t *histogram_seconds(const struct histogram *h, size_t owner, size_t *ret_nr)
{
	const uint32_t *seconds = h->owners[owner];
	size_t nr = seconds ? h->nr_seconds : 0;

	while (nr && !seconds[nr - 1])
		nr--;
	*ret_nr = nr;
	return seconds;
}
