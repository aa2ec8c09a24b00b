/* A pprof file's samples, with their labels. */
#include "proto/pprof_internal.h"

#define LABELS_MAX 6 /* of a sample: pid, comm, thread, container, container_id, runtime */

/* Equal labels are one object: the same few stand at every sample. True if it is new. */
static bool begin_label(struct pprof *w, Perftools__Profiles__Label *label, const char *key)
{
	if (label->key)
		return false;
	perftools__profiles__label__init(label);
	label->key = pprof_add_text(w, key);
	return true;
}

/* NULL for an empty string: it has no label. */
static Perftools__Profiles__Label *share(struct pprof *w, Perftools__Profiles__Label *label,
					 const char *key, uint32_t string)
{
	if (!string)
		return NULL;
	if (begin_label(w, label, key))
		label->str = pprof_add_string(w, string);
	return label;
}

static Perftools__Profiles__Label *share_pid(struct pprof *w, uint32_t process)
{
	Perftools__Profiles__Label *label = &w->pids[process];

	if (begin_label(w, label, "pid")) {
		label->num = w->view.processes[process].tgid;
		label->num_unit = pprof_add_text(w, "id");
	}
	return label;
}

static size_t add_labels(struct pprof *w, const struct profile_sample *s,
			 Perftools__Profiles__Label **labels)
{
	const struct profile_owner *o = &w->view.owners[s->owner];
	Perftools__Profiles__Label *of_owner = &w->owners[(size_t)s->owner * 3];
	Perftools__Profiles__Label *all[LABELS_MAX] = {
		share_pid(w, s->process),
		share(w, &w->comms[s->process], "comm", w->view.processes[s->process].comm),
		share(w, &w->threads[s->thread_comm], "thread", s->thread_comm),
		share(w, &of_owner[0], "container", o->name),
		share(w, &of_owner[1], "container_id", o->id),
		share(w, &of_owner[2], "runtime", o->runtime),
	};
	size_t nr = 0;

	for (size_t i = 0; i < LABELS_MAX; i++) {
		if (all[i])
			labels[nr++] = all[i];
	}
	return nr;
}

/* Room for one kind of thing in the piece's samples, handed out from the front. */
struct sample_room {
	Perftools__Profiles__Sample *samples;
	uint64_t *ids;
	int64_t *values;
	Perftools__Profiles__Label **labels;
};

static void put_sample(struct pprof *w, const struct profile_sample *from, struct sample_room *room)
{
	Perftools__Profiles__Sample *to = room->samples++;

	perftools__profiles__sample__init(to);
	to->location_id = room->ids;
	to->n_location_id = pprof_depth(w, from);
	for (uint32_t i = 0; i < to->n_location_id; i++) {
		uint32_t location = pprof_stack_at(w, from, i);

		room->ids[i] =
			location == PPROF_CUT ? w->nr_locations + 1 : w->location_of[location];
	}
	to->value = room->values;
	to->n_value = PPROF_NR_VALUES;
	room->values[0] = (int64_t)from->count;
	room->values[1] = (int64_t)from->value_ns;
	to->label = room->labels;
	if (!w->part.without_labels)
		to->n_label = add_labels(w, from, room->labels);
	room->ids += to->n_location_id;
	room->values += PPROF_NR_VALUES;
	room->labels += to->n_label;
	w->piece.sample[w->piece.n_sample++] = to;
}

/* For the profile's samples from the next on, up to end. */
static int make_room(struct pprof *w, size_t end, struct sample_room *ret)
{
	size_t nr = 0, nr_ids = 0;

	for (size_t i = w->next; i < end; i++) {
		if (!pprof_is_wanted(w, i))
			continue;
		nr++;
		nr_ids += pprof_depth(w, &w->view.samples[i]);
	}
	ret->samples = pprof_alloc(w, nr, sizeof(*ret->samples));
	ret->ids = pprof_alloc(w, nr_ids, sizeof(*ret->ids));
	ret->values = pprof_alloc(w, nr * PPROF_NR_VALUES, sizeof(*ret->values));
	ret->labels = pprof_alloc(w, nr * LABELS_MAX, sizeof(Perftools__Profiles__Label *));
	w->piece.sample = pprof_alloc(w, nr, sizeof(*w->piece.sample));
	return w->error;
}

int pprof_put_samples(struct pprof *w, size_t nr)
{
	size_t end = w->next + MIN(nr, w->view.nr_samples - w->next);
	struct sample_room room;
	int r = make_room(w, end, &room);

	if (r < 0)
		return r;
	for (; w->next < end; w->next++) {
		if (pprof_is_wanted(w, w->next))
			put_sample(w, &w->view.samples[w->next], &room);
	}
	return w->error ?: w->next < w->view.nr_samples;
}
