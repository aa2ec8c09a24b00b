/* What a back end's answer means. */
#include "agent/exporter/upload_answer.h"
#include "agent/base/clock.h"
#include "agent/base/sys.h"
#include "agent/base/text.h"

#include <ctype.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define JSON_DEPTH 16

static const char *const class_names[UPLOADANSWER_NR] = {
	[UPLOADANSWER_STORED] = "stored",        [UPLOADANSWER_REFUSED] = "refused",
	[UPLOADANSWER_TOO_LARGE] = "too_large",  [UPLOADANSWER_SLOW_DOWN] = "slow_down",
	[UPLOADANSWER_RETRY] = "retry",          [UPLOADANSWER_SUSPECT] = "suspect",
	[UPLOADANSWER_AUTH] = "unauthenticated", [UPLOADANSWER_NO_BACKEND] = "no_backend",
};

const char *uploadanswer_name(enum uploadanswer_class class)
{
	return class_names[class];
}

static const struct {
	const char *code;
	enum uploadanswer_class class;
} codes[] = {
	{ "invalid_argument", UPLOADANSWER_REFUSED },
	{ "out_of_range", UPLOADANSWER_REFUSED },
	{ "failed_precondition", UPLOADANSWER_REFUSED },
	{ "already_exists", UPLOADANSWER_REFUSED },
	{ "resource_exhausted", UPLOADANSWER_SLOW_DOWN },
	{ "unauthenticated", UPLOADANSWER_AUTH },
	{ "permission_denied", UPLOADANSWER_AUTH },
	{ "unimplemented", UPLOADANSWER_NO_BACKEND },
	{ "not_found", UPLOADANSWER_NO_BACKEND },
	/* a pprof that it cannot decode is "unknown", for ever; so may be a trouble of its own */
	{ "unknown", UPLOADANSWER_SUSPECT },
	{ "internal", UPLOADANSWER_SUSPECT },
	{ "data_loss", UPLOADANSWER_SUSPECT },
	{ "unavailable", UPLOADANSWER_RETRY },
	{ "deadline_exceeded", UPLOADANSWER_RETRY },
	{ "aborted", UPLOADANSWER_RETRY },
	{ "canceled", UPLOADANSWER_RETRY },
};

static enum uploadanswer_class by_status(long status)
{
	switch (status) {
	case 400:
	case 422:
		return UPLOADANSWER_REFUSED;
	case 401:
	case 403:
	case 407:
		return UPLOADANSWER_AUTH;
	case 408:
	case 409:
	case 425:
	case 499:
	case 502:
	case 503:
	case 504:
		return UPLOADANSWER_RETRY;
	case 413:
		return UPLOADANSWER_TOO_LARGE;
	case 429:
		return UPLOADANSWER_SLOW_DOWN;
	case 501:
	case 505:
		return UPLOADANSWER_NO_BACKEND;
	}
	return status >= 500 && status < 600 ? UPLOADANSWER_SUSPECT : UPLOADANSWER_NO_BACKEND;
}

static bool is_type(const char *content_type, const char *type)
{
	size_t len = strlen(type);

	return !strncasecmp(content_type, type, len) &&
	       (!content_type[len] || content_type[len] == ';' || content_type[len] == ' ');
}

static struct json_object *parse_json(const char *body, size_t len)
{
	struct json_tokener *tokener = json_tokener_new_ex(JSON_DEPTH);
	struct json_object *o;

	if (!tokener)
		return NULL;
	o = json_tokener_parse_ex(tokener, body, (int)len);
	if (json_tokener_get_error(tokener) != json_tokener_success) {
		json_object_put(o);
		o = NULL;
	}
	json_tokener_free(tokener);
	return o;
}

static const char *string_of(struct json_object *o, const char *key)
{
	struct json_object *value;

	if (!json_object_is_type(o, json_type_object) ||
	    !json_object_object_get_ex(o, key, &value) ||
	    !json_object_is_type(value, json_type_string))
		return NULL;
	return json_object_get_string(value);
}

static void set_message(struct uploadanswer *a, long status, const char *code, const char *text,
			size_t len)
{
	char repaired[UPLOADANSWER_MESSAGE_MAX - 48]; /* the status and the code stand before it */

	text_repair(text, MIN(len, sizeof(repaired)), repaired, sizeof(repaired));
	for (char *c = repaired; *c; c++) {
		if (isascii(*c) && !isprint(*c))
			*c = ' ';
	}
	snprintf(a->message, sizeof(a->message), "HTTP %ld%s%.24s%s%s", status, *code ? " " : "",
		 code, *repaired ? ": " : "", repaired);
}

/* Seconds, or a date (RFC 9110, 10.2.3), of which the preferred form is understood. */
static uint64_t parse_retry_after(const char *s, int64_t now_s)
{
	const uint64_t max_s = UPLOADANSWER_RETRY_MAX_NS / NSEC_PER_SEC;
	struct tm tm = { .tm_year = 0 };
	const char *end;
	uint64_t v;
	int64_t at;

	s += strspn(s, " \t");
	if (*s && !s[strspn(s, "0123456789")]) {
		if (sys_parse_u64(s, 10, 0, max_s, &v) < 0)
			v = max_s;
		return v * NSEC_PER_SEC;
	}
	end = strptime(s, "%a, %d %b %Y %H:%M:%S GMT", &tm);
	if (!end || *end)
		return 0;
	at = timegm(&tm);
	return at <= now_s ? 0 : MIN((uint64_t)(at - now_s), max_s) * NSEC_PER_SEC;
}

static void classify_error(struct uploadanswer *a, long status, const char *body, size_t len)
{
	struct json_object *o = parse_json(body, len);
	const char *said = string_of(o, "code"), *message = string_of(o, "message");
	const char *code = ""; /* one of those we know, never what was said */

	a->class = by_status(status);
	for (size_t i = 0; said && i < sizeof(codes) / sizeof(codes[0]); i++) {
		if (strcmp(codes[i].code, said) != 0)
			continue;
		code = codes[i].code;
		a->class = codes[i].class;
	}
	if (message)
		body = message;
	set_message(a, status, code, body, message ? strlen(message) : len);
	json_object_put(o);
}

void uploadanswer_classify(struct uploadanswer *ret, long status, const char *content_type,
			   const char *retry_after, const char *body, size_t len, int64_t now_s)
{
	*ret = (struct uploadanswer) { .class = UPLOADANSWER_STORED };
	ret->retry_after_ns = parse_retry_after(retry_after, now_s);
	if (status != 200) {
		classify_error(ret, status, body, len);
		return;
	}
	/* a login page also says 200 */
	if (is_type(content_type, "application/proto") && !len)
		return;
	ret->class = UPLOADANSWER_NO_BACKEND;
	set_message(ret, status, "", "not what the protocol answers", 29);
}
