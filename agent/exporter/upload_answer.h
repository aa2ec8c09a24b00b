/*
 * What a back end's answer means for what was sent: the Connect protocol's error code first, then the HTTP status
 * (connectrpc.com/docs/protocol). Pure; takes foreign bytes (fuzzed: tests/fuzz/fuzz_upload_answer.c).
 */
#ifndef FLEETPROF_EXPORTER_UPLOAD_ANSWER_H
#define FLEETPROF_EXPORTER_UPLOAD_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UPLOADANSWER_BODY_MAX (64u << 10)
#define UPLOADANSWER_MESSAGE_MAX 200
#define UPLOADANSWER_RETRY_MAX_NS (3600ull * 1000000000) /* of Retry-After: what is longer is cut */

enum uploadanswer_class {
	UPLOADANSWER_STORED,
	UPLOADANSWER_REFUSED, /* for good: the profile is not acceptable */
	UPLOADANSWER_TOO_LARGE, /* smaller parts may be */
	UPLOADANSWER_SLOW_DOWN, /* rate limits; also what a part that is above a burst gets, for ever */
	UPLOADANSWER_RETRY, /* not now */
	UPLOADANSWER_SUSPECT, /* fails, perhaps because of what was sent: a few tries only if others succeed */
	UPLOADANSWER_AUTH, /* the credentials: a person has to do something */
	UPLOADANSWER_NO_BACKEND, /* whatever answers there does not speak the protocol: so has he here */
	UPLOADANSWER_NR
};

struct uploadanswer {
	enum uploadanswer_class class;
	uint64_t retry_after_ns; /* 0: not said */
	char message[UPLOADANSWER_MESSAGE_MAX]; /* for the log: valid UTF-8, one line */
};

/*
 * status: of HTTP. content_type, retry_after: those headers, "" if missing. body: len bytes, at most
 * UPLOADANSWER_BODY_MAX. now_s: seconds since the epoch, for a Retry-After that is a date.
 */
void uploadanswer_classify(struct uploadanswer *ret, long status, const char *content_type,
			   const char *retry_after, const char *body, size_t len, int64_t now_s);

/* "stored", "refused" … for metrics. */
const char *uploadanswer_name(enum uploadanswer_class class);

#endif
