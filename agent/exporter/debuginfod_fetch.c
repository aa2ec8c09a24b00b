/* One request to a debuginfod server: from the URL to a file in the cache. */
#include "agent/exporter/debuginfod_internal.h"

#include <errno.h>
#include <string.h>

#define LOW_SPEED_BYTES                                                                            \
	1024L /* per second, for half of the timeout: the server may have to unpack a package first */
#define DISCARD_MAX                                                                                \
	(64u << 10) /* of the body of an error: read, so that its connection can be kept */
#define HTTP_OK 200
#define HTTP_REQUEST_TIMEOUT 408
#define HTTP_TOO_EARLY 425
#define HTTP_TOO_MANY_REQUESTS 429

static long status_of(const struct debuginfod_fetch *f)
{
	long status = 0;

	curl_easy_getinfo(f->transfer.easy, CURLINFO_RESPONSE_CODE, &status);
	return status;
}

static uint64_t announced_length(const struct debuginfod_fetch *f)
{
	curl_off_t length = -1;

	curl_easy_getinfo(f->transfer.easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
	return length > 0 ? (uint64_t)length : 0;
}

/* Returns fewer bytes than came to end the transfer. */
static size_t on_body(char *data, size_t size, size_t nr, void *userdata)
{
	struct debuginfod_fetch *f = userdata;
	size_t len = size * nr;

	if (status_of(f) != HTTP_OK) {
		f->discarded += len;
		return f->discarded > DISCARD_MAX ? 0 : len;
	}
	/* what is announced is checked by libcurl; what is not, here */
	if (len > f->options->max_size - debuginfodcache_written(f->file)) {
		f->too_large = true;
		return 0;
	}
	if (!debuginfodcache_written(f->file))
		f->error = debuginfodcache_reserve(f->file, announced_length(f));
	f->error = f->error ?: debuginfodcache_write(f->file, data, len);
	return f->error < 0 ? 0 : len;
}

static enum debuginfod_outcome outcome_of_status(long status)
{
	if (status >= 300 && status < 400)
		return DEBUGINFOD_REDIRECTED;
	if (status >= 500 || status < 200 || status == HTTP_REQUEST_TIMEOUT ||
	    status == HTTP_TOO_EARLY || status == HTTP_TOO_MANY_REQUESTS)
		return DEBUGINFOD_FAILED;
	return DEBUGINFOD_MISSING;
}

static enum debuginfod_outcome outcome_of(const struct debuginfod_fetch *f, CURLcode code)
{
	long status = status_of(f);

	if (f->too_large || code == CURLE_FILESIZE_EXCEEDED)
		return DEBUGINFOD_TOO_LARGE;
	if (f->error < 0)
		return DEBUGINFOD_NO_ROOM;
	if (status && status != HTTP_OK)
		return outcome_of_status(status);
	if (code == CURLE_OPERATION_TIMEDOUT && debuginfodcache_written(f->file) &&
	    clock_boot_ns() - f->started_ns >= f->options->timeout_ns)
		return DEBUGINFOD_TOO_SLOW;
	return code == CURLE_OK ? DEBUGINFOD_FETCHED : DEBUGINFOD_FAILED;
}

static void on_done(struct http_transfer *t, CURLcode code)
{
	struct debuginfod_fetch *f = container_of(t, struct debuginfod_fetch, transfer);
	enum debuginfod_outcome outcome = outcome_of(f, code);
	struct debuginfod_file *file;
	int fd = -1;

	if (outcome == DEBUGINFOD_FETCHED && !debuginfodcache_written(f->file))
		outcome = DEBUGINFOD_MISSING;
	if (outcome == DEBUGINFOD_FETCHED) {
		file = TAKE_PTR(f->file);
		fd = debuginfodcache_commit(file);
		if (fd < 0)
			outcome = DEBUGINFOD_NO_ROOM;
	}
	f->finished(f, outcome, MAX(fd, -1));
}

static int set_once(struct debuginfod_fetch *f)
{
	long timeout_ms = (long)(f->options->timeout_ns / NSEC_PER_MSEC);
	CURL *e;
	CURLcode c;
	int r;

	if (f->transfer.easy)
		return 0;
	r = http_transfer_init(&f->transfer, NULL);
	if (r < 0)
		return r;
	e = f->transfer.easy;
	f->transfer.done = on_done;
	c = curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, timeout_ms);
	c = c ?: curl_easy_setopt(e, CURLOPT_LOW_SPEED_LIMIT, LOW_SPEED_BYTES);
	c = c ?: curl_easy_setopt(e, CURLOPT_LOW_SPEED_TIME, MAX(timeout_ms / 2000, 1L));
	c = c ?: curl_easy_setopt(e, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)f->options->max_size);
	c = c ?: curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
	return http_error(c ?: curl_easy_setopt(e, CURLOPT_WRITEDATA, f));
}

int debuginfodfetch_start(struct debuginfod_fetch *f, struct http *http,
			  struct debuginfod_cache *cache, const struct debuginfod_id *id,
			  size_t server)
{
	char url[DEBUGINFOD_URL_MAX + DEBUGINFOD_ID_HEX + 32], hex[DEBUGINFOD_ID_HEX];
	const char *base = f->options->urls[server];
	int len = (int)strlen(base), r = set_once(f);

	while (len && base[len - 1] == '/')
		len--;
	debuginfod_id_print(id, hex);
	snprintf(url, sizeof(url), "%.*s/buildid/%s/debuginfo", len, base, hex);
	r = r ?: http_error(curl_easy_setopt(f->transfer.easy, CURLOPT_URL, url));
	r = r ?: debuginfodcache_begin(cache, id, (int)server, &f->file);
	if (r < 0)
		return r;
	f->id = *id;
	f->server = server;
	f->started_ns = clock_boot_ns();
	f->discarded = 0;
	f->error = 0;
	f->too_large = false;
	r = http_start(http, &f->transfer);
	if (r < 0)
		f->file = debuginfodcache_abort(f->file);
	return r;
}

void debuginfodfetch_deinit(struct debuginfod_fetch *f)
{
	http_transfer_deinit(&f->transfer);
	f->file = debuginfodcache_abort(f->file);
}

uint64_t debuginfodfetch_received(const struct debuginfod_fetch *f)
{
	curl_off_t bytes = 0;

	curl_easy_getinfo(f->transfer.easy, CURLINFO_SIZE_DOWNLOAD_T, &bytes);
	return bytes > 0 ? (uint64_t)bytes : 0;
}

uint64_t debuginfodfetch_wait_ns(const struct debuginfod_fetch *f)
{
	curl_off_t seconds = 0;

	curl_easy_getinfo(f->transfer.easy, CURLINFO_RETRY_AFTER, &seconds);
	return seconds > 0 ? (uint64_t)MIN(seconds, (curl_off_t)86400) * NSEC_PER_SEC : 0;
}
