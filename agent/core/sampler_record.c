/* The wall between the ring and the core. */
#include "agent/core/sampler_record.h"

#include <errno.h>
#include <string.h>

/* Components come leaf first, each with its NUL; the path reads root first. */
static int join_path(const char *text, size_t len, char *path)
{
	size_t at = 0, end = len;

	if (len && text[len - 1] != '\0')
		return -EBADMSG;
	while (end > 0) {
		size_t start = end - 1;

		while (start > 0 && text[start - 1] != '\0')
			start--;
		if (at + (end - start) + 1 > SAMPLER_PATH_MAX)
			return -EBADMSG;
		path[at++] = '/';
		memcpy(path + at, text + start, end - start - 1);
		at += end - start - 1;
		end = start;
	}
	if (!at)
		path[at++] = '/';
	path[at] = '\0';
	return 0;
}

/* The extensions; returns the bytes they take. */
static int check_extensions(const char *data, size_t size, unsigned int nr, char *cgroup_path,
			    struct sampler_sample *ret)
{
	size_t at = 0;

	for (unsigned int i = 0; i < nr; i++) {
		const struct record_ext *ext = (const void *)(data + at);

		if (size - at < sizeof(*ext) || ext->size < sizeof(*ext) || ext->size % 8 ||
		    ext->size > size - at || ext->len > ext->size - sizeof(*ext))
			return -EBADMSG;
		if (ext->type == EXT_CGROUP_PATH) {
			if (ext->len > RECORD_CGROUP_BYTES ||
			    join_path((const char *)(ext + 1), ext->len, cgroup_path) < 0)
				return -EBADMSG;
			ret->cgroup_path = cgroup_path;
		}
		at += ext->size;
	}
	return (int)at;
}

static bool maps_are_valid(const struct rec_map *maps, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		if (maps[i].start >= maps[i].end ||
		    !memchr(maps[i].name, '\0', sizeof(maps[i].name)))
			return false;
	}
	return true;
}

static bool words_are_valid(const __u64 *words, size_t nr, unsigned int nr_maps)
{
	for (size_t i = 0; i < nr; i++) {
		switch (FRAME_KIND(words[i])) {
		case FRAME_RECMAP:
			if (FRAME_RECMAP_INDEX(words[i]) >= nr_maps)
				return false;
			break;
		case FRAME_FILE:
		case FRAME_ANON:
		case FRAME_KERNEL:
		case FRAME_SPECIAL:
		case FRAME_MARK:
			break;
		default:
			return false;
		}
	}
	return true;
}

int sampler_check_record(const void *data, size_t size, char *cgroup_path,
			 struct sampler_sample *ret)
{
	const struct record_sample *head = data;
	struct sampler_sample sample = { .head = head };
	size_t words, at = sizeof(*head);
	int ext;

	if (size < sizeof(*head) || head->record.size != size || size % 8 ||
	    head->record.type != RECORD_SAMPLE || head->record.version != RECORD_VERSION ||
	    head->end_reason >= END_NR || head->nr_maps > RECORD_MAX_MAPS ||
	    !memchr(head->comm, '\0', sizeof(head->comm)) ||
	    !memchr(head->leader_comm, '\0', sizeof(head->leader_comm)))
		return -EBADMSG;
	words = (size_t)head->nr_words_kernel + head->nr_words_user;
	ext = check_extensions((const char *)data + at, size - at, head->nr_ext, cgroup_path,
			       &sample);
	if (ext < 0)
		return ext;
	at += (size_t)ext;
	if (words > RECORD_MAX_WORDS ||
	    size - at != head->nr_maps * sizeof(struct rec_map) + words * 8)
		return -EBADMSG;
	sample.maps = (const void *)((const char *)data + at);
	sample.kernel_words = (const void *)(sample.maps + head->nr_maps);
	sample.user_words = sample.kernel_words + head->nr_words_kernel;
	if (!maps_are_valid(sample.maps, head->nr_maps) ||
	    !words_are_valid(sample.kernel_words, words, head->nr_maps))
		return -EBADMSG;
	*ret = sample;
	return 0;
}
