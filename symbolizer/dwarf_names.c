/* Names of functions. */
#include "symbolizer/dwarf_names.h"
#include "symbolizer/demangle.h"

#include <dwarf.h>

#define KNOWN_MAX (256u << 10)
#define CHAIN_MAX 16 /* an inlined call, its abstract origin, its declaration: three in practice */

int dwarf_names_init(struct dwarf_names *names, struct mem *mem)
{
	arena_init(&names->arena, mem);
	return hashmap_new(&names->known, sizeof(uint64_t), sizeof(void *), KNOWN_MAX);
}

void dwarf_names_deinit(struct dwarf_names *names)
{
	arena_deinit(&names->arena);
	names->known = hashmap_free(names->known);
}

void dwarf_names_drop(struct dwarf_names *names)
{
	arena_deinit(&names->arena);
	hashmap_clear(names->known);
}

size_t dwarf_names_bytes(const struct dwarf_names *names)
{
	return names->arena.bytes;
}

static const void *known(const struct dwarf_names *names, const void *at)
{
	uint64_t key = (uintptr_t)at;
	const void *const *value = hashmap_get(names->known, &key);

	return value ? *value : NULL;
}

/* A full map only costs time. */
static void remember(struct dwarf_names *names, const void *at, const void *what)
{
	uint64_t key = (uintptr_t)at;
	void *value;

	if (!hashmap_put(names->known, &key, &value, NULL))
		*(const void **)value = what;
}

/* What the chain of entries has said so far, the nearest first. */
struct found {
	const char *name, *linkage;
	uint32_t line;
	struct dwarf_ref next;
	bool has_next;
};

static void read_entry(const struct dwarf_unit *unit, uint64_t offset, struct found *f)
{
	struct reader r = dwarf_unit_reader(unit, offset - unit->header.offset);
	const struct dwarf_abbrev *a;

	f->has_next = false;
	image_touch(unit->file->image, r.at, 256);
	a = dwarf_abbrev_find(unit->abbrevs, reader_uleb(&r));
	for (uint32_t i = 0; a && i < a->nr_attrs && !r.failed; i++) {
		const struct dwarf_attr *attr = &unit->abbrevs->attrs[a->first_attr + i];
		struct dwarf_value value =
			dwarf_read(&r, attr->form, attr->implicit, &unit->header.format);

		switch (attr->name) {
		case DW_AT_name:
			if (!f->name)
				f->name = dwarf_unit_string(unit, &value);
			break;
		case DW_AT_linkage_name:
		case DW_AT_MIPS_linkage_name:
			if (!f->linkage)
				f->linkage = dwarf_unit_string(unit, &value);
			break;
		case DW_AT_decl_line:
			if (!f->line && value.u <= UINT32_MAX)
				f->line = (uint32_t)value.u;
			break;
		case DW_AT_abstract_origin:
		case DW_AT_specification:
			f->has_next = dwarf_unit_ref(unit, &value, &f->next);
			break;
		}
	}
}

static void follow(struct dwarf_units *units, struct dwarf_entry *near, const struct dwarf_ref *ref,
		   struct found *f)
{
	f->next = *ref;
	f->has_next = true;
	for (uint32_t i = 0; i < CHAIN_MAX && f->has_next; i++) {
		const struct dwarf_header *h = &near->unit.header;
		struct dwarf_entry *other = NULL;

		if (f->next.file == near->unit.file && f->next.offset >= h->offset &&
		    f->next.offset - h->offset < h->size) {
			read_entry(&near->unit, f->next.offset, f);
			continue;
		}
		if (dwarf_units_around(units, &f->next, &other))
			return;
		read_entry(&other->unit, f->next.offset, f);
		dwarf_units_put(other);
	}
}

/* A name as a person reads it; itself when there is no other way, or the ceiling is in the way. */
static const char *shown(struct dwarf_names *names, const char *raw,
			 char *(*show)(const char *name, enum symbolizer_demangle how))
{
	const char *name = known(names, raw);
	_cleanup_(freep) char *text = NULL;

	if (name)
		return name;
	text = show(raw, names->how);
	name = text ? arena_string(&names->arena, text, strlen(text)) : NULL;
	if (!name)
		name = raw;
	remember(names, raw, name);
	return name;
}

const struct dwarf_name *dwarf_names_get(struct dwarf_names *names, struct dwarf_units *units,
					 struct dwarf_entry *near, const struct dwarf_ref *ref)
{
	struct section info = image_section(ref->file->image, IMAGE_INFO);
	const struct dwarf_name *name;
	struct dwarf_name *new;
	struct found f = { .name = NULL };

	if (ref->offset >= info.size)
		return NULL;
	name = known(names, info.data + ref->offset);
	if (name)
		return name;
	new = arena_alloc(&names->arena, sizeof(*new));
	if (!new)
		return NULL;
	follow(units, near, ref, &f);
	*new = (struct dwarf_name) { .name = f.name, .system_name = f.name, .start_line = f.line };
	if (f.linkage && *f.linkage) {
		new->system_name = f.linkage;
		new->name = shown(names, f.linkage, demangle);
	} else if (f.name && names->how == SYMBOLIZER_DEMANGLE_SHORT) {
		new->name = shown(names, f.name, demangle_plain);
	}
	remember(names, info.data + ref->offset, new);
	return new;
}
