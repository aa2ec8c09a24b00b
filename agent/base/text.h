/*
 * Foreign names on their way out: one escaping function per sink, and the repair of UTF-8.
 *
 * Names are hostile: a comm is set by prctl, a symbol by whoever made the ELF file, a cgroup by mkdir.
 * Every function here takes any NUL-terminated bytes; what is no UTF-8 (RFC 3629: no surrogates, no
 * overlong forms, nothing above U+10FFFF) becomes U+FFFD, one for each invalid byte.
 *
 * "Deceptive" are code points that draw nothing and change what stands around them: bidirectional
 * controls, zero-width ones, tags (Unicode TR36, TR39). They are shown as \u202e and the like; so are
 * control characters (\x1b). A backslash stays as it is but in the sinks that say otherwise: a name may
 * look like an escaped one, which deceives nobody about anything but itself.
 */
#ifndef FLEETPROF_BASE_TEXT_H
#define FLEETPROF_BASE_TEXT_H

#include "agent/base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TEXT_INVALID UINT32_MAX
#define TEXT_NO_LIMIT SIZE_MAX

/* The code point at s (len > 0 bytes) and how many bytes it took; TEXT_INVALID takes one. */
uint32_t text_decode(const char *s, size_t len, size_t *ret_len);

bool text_is_valid(const char *s, size_t len);

/*
 * Writes the valid UTF-8 nearest to s into out, NUL-terminated, whole characters only, cut where size
 * ends. A NUL within s counts as an invalid byte. Returns the bytes written without the NUL.
 */
size_t text_repair(const char *s, size_t len, char *out, size_t size);

/* Each appends to out and returns 0, or what buf_add() returns. */

/*
 * For a terminal that speaks UTF-8: controls, deceptive code points and all that take no column of their own
 * (combining marks too) are shown by number. At most `columns` columns; what is longer loses its middle
 * to "…". Letters that run from right to left stay: put nothing behind such a name on its line.
 */
int text_for_terminal(struct buf *out, const char *s, size_t columns);

/* Text or a quoted attribute value in HTML. */
int text_for_html(struct buf *out, const char *s);

/* As for HTML, and without what no XML file may hold (XML 1.0, §2.2). */
int text_for_svg(struct buf *out, const char *s);

/*
 * A JSON string, quotes included, that may stand in a <script> element: it has no <, >, & and no line
 * separator (U+2028, U+2029) in it. Reading it back gives the name itself, deceptive code points and all.
 */
int text_for_json_in_script(struct buf *out, const char *s);

/* One frame of a folded stack: the separator is \x3b, a backslash \x5c, so that it can be read back. */
int text_for_folded(struct buf *out, const char *s);

#endif
