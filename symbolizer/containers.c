/* Container names out of the runtimes' own metadata files. */
#include "symbolizer/containers.h"
#include "agent/base/sys.h"
#include "proto/symwire.h"
#include "symbolizer/codec.h"

#include <errno.h>
#include <json.h>
#include <string.h>

#define DEPTH_MAX 32
#define JSON_KEYS_MAX 3

struct found {
	struct symclient_container list[SYMWIRE_CONTAINERS_MAX];
	size_t nr;
};

/* The string at a path of keys, or "". */
static const char *text_at(struct json_object *object, const char *const keys[JSON_KEYS_MAX])
{
	for (size_t i = 0; i < JSON_KEYS_MAX && keys[i]; i++) {
		if (!json_object_is_type(object, json_type_object) ||
		    !json_object_object_get_ex(object, keys[i], &object))
			return "";
	}
	return json_object_is_type(object, json_type_string) ? json_object_get_string(object) : "";
}
#define TEXT(object, ...) text_at(object, (const char *const[JSON_KEYS_MAX]) { __VA_ARGS__ })

/* The first of several names that says something. */
static const char *either(const char *a, const char *b)
{
	return *a ? a : b;
}

static bool parse_docker(struct json_object *root, struct found *found)
{
	struct symclient_container *c = &found->list[0];
	const char *id = TEXT(root, "ID"), *name = TEXT(root, "Name");

	name += *name == '/';
	if (!*id || !*name)
		return false;
	*c = (struct symclient_container) {
		.id = id,
		.name = name,
		.image = TEXT(root, "Config", "Image"),
		.pod = TEXT(root, "Config", "Labels", "io.kubernetes.pod.name"),
		.namespace = TEXT(root, "Config", "Labels", "io.kubernetes.pod.namespace"),
		.container = TEXT(root, "Config", "Labels", "io.kubernetes.container.name"),
	};
	found->nr = 1;
	return true;
}

/* CRI-O and podman put JSON into a string of the metadata; names stand beside it. */
static bool parse_storage(struct json_object *root, struct found *found)
{
	if (!json_object_is_type(root, json_type_array))
		return false;
	for (size_t i = 0; i < json_object_array_length(root) && found->nr < SYMWIRE_CONTAINERS_MAX;
	     i++) {
		struct json_object *one = json_object_array_get_idx(root, i), *names = NULL, *name;
		struct symclient_container *c = &found->list[found->nr];

		if (!json_object_object_get_ex(one, "names", &names) ||
		    !json_object_is_type(names, json_type_array) ||
		    !json_object_array_length(names))
			continue;
		name = json_object_array_get_idx(names, 0);
		if (!json_object_is_type(name, json_type_string))
			continue;
		*c = (struct symclient_container) { .id = TEXT(one, "id"),
						    .image = TEXT(one, "image"),
						    .pod = "",
						    .namespace = "",
						    .container = "" };
		c->name = json_object_get_string(name);
		found->nr += *c->id && *c->name;
	}
	return true;
}

static bool parse_bundle(struct json_object *root, struct found *found)
{
	struct symclient_container *c = &found->list[0];
	struct json_object *a;

	if (!json_object_object_get_ex(root, "annotations", &a))
		return false;
	*c = (struct symclient_container) {
		.id = "",
		.image = either(TEXT(a, "io.kubernetes.cri.image-name"),
				TEXT(a, "io.kubernetes.cri-o.ImageName")),
		.pod = either(TEXT(a, "io.kubernetes.cri.sandbox-name"),
			      TEXT(a, "io.kubernetes.pod.name")),
		.namespace = either(TEXT(a, "io.kubernetes.cri.sandbox-namespace"),
				    TEXT(a, "io.kubernetes.pod.namespace")),
		.container = either(TEXT(a, "io.kubernetes.cri.container-name"),
				    TEXT(a, "io.kubernetes.container.name")),
	};
	c->name = c->container;
	found->nr = *c->name != '\0';
	return true;
}

int containers_parse(const char *json, size_t size, struct buf *out)
{
	_cleanup_(freep) struct found *found = calloc(1, sizeof(*found));
	struct json_tokener *tokener = json_tokener_new_ex(DEPTH_MAX);
	struct json_object *root = NULL;
	int r = -ENOMEM;

	if (tokener && found && size <= INT32_MAX) {
		root = json_tokener_parse_ex(tokener, json, (int)size);
		r = root ? 0 : -EBADMSG;
	}
	if (!r && !parse_docker(root, found) && !parse_storage(root, found) &&
	    !parse_bundle(root, found))
		r = -EBADMSG;
	if (!r)
		r = codec_encode_containers(found->list, found->nr, out);
	json_object_put(root);
	if (tokener)
		json_tokener_free(tokener);
	return r;
}

int containers_parse_file(int fd, struct buf *out)
{
	_cleanup_(buf_deinitp) struct buf json = BUF_NULL;
	int r;

	buf_init(&json, CONTAINERS_FILE_MAX);
	r = sys_read_all(fd, &json);
	return r < 0 ? r : containers_parse(buf_str(&json), json.len, out);
}
