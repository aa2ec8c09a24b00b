// The ways in which a back end fails.
package main

import (
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// A fault of mode:
//
//	status   answers status, with code and message as Connect does; retry_after as the header
//	limit    413 for bodies above bytes
//	hang     reads, and never answers
//	half     a reply that promises more than comes
//	cut      closes after a part of the request
//	ackloss  stores, and closes without an answer
//	html     200, and a login page
//	redirect 302 to where
//	huge     a reply without an end
//	slow     reads a few bytes at a time
//	poison   status, or with status 0 a cut, for profiles that have the function `poison`
//
// for n requests (0: until another is set).
type fault struct {
	mode, code, retryAfter, where string
	status, n, bytes              int
	over                          chan struct{} // closed when the fault ends
}

func parseFault(q url.Values) fault {
	number := func(name string) int { v, _ := strconv.Atoi(q.Get(name)); return v }
	return fault{mode: q.Get("mode"), code: q.Get("code"), retryAfter: q.Get("retry_after"), where: q.Get("where"),
		status: number("status"), n: number("n"), bytes: number("bytes"), over: make(chan struct{})}
}

func (f *fault) end() {
	if f.over != nil {
		close(f.over)
	}
	*f = fault{}
}

// take gives this request's share of the fault.
func (f *fault) take() fault {
	taken := *f
	if f.n > 0 {
		if f.n--; f.n == 0 {
			over := f.over
			*f = fault{over: over}
		}
	}
	return taken
}

// cut closes the connection as it is.
func cut(w http.ResponseWriter) {
	if conn, _, err := w.(http.Hijacker).Hijack(); err == nil {
		conn.Close()
	}
}

func (f *fault) refuse(w http.ResponseWriter) {
	if f.retryAfter != "" {
		w.Header().Set("Retry-After", f.retryAfter)
	}
	if f.code == "" {
		http.Error(w, "<html>an error of a proxy</html>", f.status)
		return
	}
	answer(w, f.status, f.code, "told so by the test")
}

// before the body is read: true if that was the answer.
func (f *fault) before(w http.ResponseWriter, q *http.Request) bool {
	switch f.mode {
	case "cut":
		io.CopyN(io.Discard, q.Body, 10)
		cut(w)
		return true
	case "limit":
		if q.ContentLength > int64(f.bytes) {
			io.Copy(io.Discard, q.Body)
			http.Error(w, "too large", 413)
			return true
		}
	}
	return false
}

// after it was read: true if that was the answer.
func (f *fault) after(w http.ResponseWriter, p *push, body []byte) bool {
	switch f.mode {
	case "status":
		f.refuse(w)
	case "poison":
		if !p.has["poison"] {
			return false
		}
		if f.status == 0 {
			cut(w)
			return true
		}
		f.refuse(w)
	case "hang":
		<-f.over
		cut(w)
	case "half":
		w.Header().Set("Content-Type", "application/proto")
		w.Header().Set("Content-Length", "100")
		w.Write([]byte("some"))
	case "html":
		w.Header().Set("Content-Type", "text/html")
		w.Write([]byte("<html>please log in</html>"))
	case "redirect":
		w.Header().Set("Location", f.where)
		w.WriteHeader(302)
	case "huge":
		w.Header().Set("Content-Type", "application/proto")
		page := make([]byte, 1<<16)
		for i := 0; i < 1<<14; i++ {
			if _, err := w.Write(page); err != nil {
				break
			}
		}
	default:
		return false
	}
	return true
}

type slowReader struct{ r io.Reader }

func (s slowReader) Read(b []byte) (int, error) {
	time.Sleep(time.Millisecond)
	return s.r.Read(b[:min(len(b), 512)])
}

func (f *fault) slow(r io.Reader) io.Reader {
	if f.mode == "slow" {
		return slowReader{r}
	}
	return r
}
