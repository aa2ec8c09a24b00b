// A receiver of Pyroscope's pushes for tests: checks each request strictly, adds up what came, and fails in every way
// that it is told to.
//
//	receiver -listen 127.0.0.1:0 -control 127.0.0.1:0
//
// prints "listen ADDRESS" and "control ADDRESS". On the control port: GET /stats, POST /fault?mode=…&… (see faults.go),
// POST /down and /up (stops and starts listening), POST /reset (forgets what came).
package main

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

const pushPath = "/push.v1.PusherService/Push"

type series struct {
	Samples  int64 `json:"samples"`
	Value    int64 `json:"value"`
	Profiles int   `json:"profiles"`
}

type stats struct {
	Requests    int                `json:"requests"`    // that came, whatever became of them
	Accepted    int                `json:"accepted"`    // whose profile is in the sums
	Duplicates  int                `json:"duplicates"`  // accepted before, byte for byte
	Connections int                `json:"connections"` // since the start
	Samples     int64              `json:"samples"`
	Value       int64              `json:"value"`
	Bytes       int64              `json:"bytes"` // of bodies
	MaxRaw      int                `json:"max_raw"`
	MaxSamples  int                `json:"max_samples"`
	Inlined     bool               `json:"inlined"`
	Series      map[string]*series `json:"series"`
	Self        map[string]int64   `json:"self"`
	Times       []int64            `json:"times"`      // time_nanos, in the order of arrival
	Violations  []string           `json:"violations"` // what no request may have
	Secrets     []string           `json:"auth"`       // distinct Authorization headers
}

type receiver struct {
	mutex   sync.Mutex
	stats   stats
	seen    map[[32]byte]bool
	auth    map[string]bool
	fault   fault
	server  *http.Server
	tls     *tls.Config
	address string
	maxAge  time.Duration
	tenant  string
	token   string
}

func (r *receiver) reset() {
	r.stats = stats{Series: map[string]*series{}, Self: map[string]int64{}, Times: []int64{}, Violations: []string{}, Secrets: []string{}}
	r.seen, r.auth = map[[32]byte]bool{}, map[string]bool{}
}

func (r *receiver) violate(format string, args ...any) {
	if len(r.stats.Violations) < 50 {
		r.stats.Violations = append(r.stats.Violations, fmt.Sprintf(format, args...))
	}
}

// checkRequest holds the head of a request against what the protocol says.
func (r *receiver) checkRequest(q *http.Request) {
	if q.Method != "POST" || q.URL.Path != pushPath || q.URL.RawQuery != "" {
		r.violate("%s %s", q.Method, q.URL)
	}
	if q.ProtoMajor != 1 || q.ProtoMinor != 1 || q.ContentLength <= 0 || len(q.TransferEncoding) > 0 {
		r.violate("HTTP/%d.%d, length %d, %v", q.ProtoMajor, q.ProtoMinor, q.ContentLength, q.TransferEncoding)
	}
	for name, want := range map[string]string{"Content-Type": "application/proto", "Content-Encoding": "", "Expect": "", "X-Scope-Orgid": r.tenant} {
		if got := q.Header.Get(name); got != want {
			r.violate("%s: %q, not %q", name, got, want)
		}
	}
	if a := q.Header.Get("Authorization"); !r.auth[a] {
		r.auth[a] = true
		r.stats.Secrets = append(r.stats.Secrets, a)
	}
}

// store adds an accepted push to the sums.
func (r *receiver) store(p *push, body []byte) {
	key := sha256.Sum256(body)
	if r.seen[key] {
		r.stats.Duplicates++
	}
	r.seen[key] = true
	r.stats.Accepted++
	s := r.stats.Series[p.labels]
	if s == nil {
		s = &series{}
		r.stats.Series[p.labels] = s
	}
	s.Samples += p.samples
	s.Value += p.value
	s.Profiles++
	r.stats.Samples += p.samples
	r.stats.Value += p.value
	r.stats.Bytes += int64(len(body))
	r.stats.MaxRaw = max(r.stats.MaxRaw, len(p.raw))
	r.stats.MaxSamples = max(r.stats.MaxSamples, len(p.profile.Sample))
	r.stats.Inlined = r.stats.Inlined || p.inlined
	r.stats.Times = append(r.stats.Times, p.profile.TimeNanos)
	for name, n := range p.self {
		r.stats.Self[name] += n
	}
}

func answer(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]string{"code": code, "message": message})
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	r.mutex.Lock()
	r.stats.Requests++
	r.checkRequest(q)
	f := r.fault.take()
	token := r.token
	r.mutex.Unlock()
	if token != "" && q.Header.Get("Authorization") != "Bearer "+token {
		answer(w, 401, "unauthenticated", "who are you?")
		return
	}
	if f.before(w, q) {
		return
	}
	body, err := io.ReadAll(f.slow(q.Body))
	if err != nil {
		return // the client gave up
	}
	p := decode(body, r.maxAge)
	if f.after(w, p, body) {
		return
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for _, v := range p.violated {
		r.violate("%s: %s", p.labels, v)
	}
	if len(p.violated) > 0 {
		answer(w, 400, "invalid_argument", p.violated[0])
		return
	}
	r.store(p, body)
	if f.mode == "ackloss" {
		cut(w)
		return
	}
	w.Header().Set("Content-Type", "application/proto")
	w.WriteHeader(200)
}

func (r *receiver) up() error {
	listener, err := net.Listen("tcp", r.address)
	if err != nil {
		return err
	}
	r.address = listener.Addr().String() // the same port again
	r.server = &http.Server{Handler: r, TLSConfig: r.tls, ErrorLog: log.New(io.Discard, "", 0), ConnState: func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			r.mutex.Lock()
			r.stats.Connections++
			r.mutex.Unlock()
		}
	}}
	if r.tls != nil {
		listener = tls.NewListener(listener, r.tls)
	}
	go r.server.Serve(listener)
	return nil
}

func (r *receiver) control(w http.ResponseWriter, q *http.Request) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	switch q.URL.Path {
	case "/stats":
		json.NewEncoder(w).Encode(&r.stats)
	case "/reset":
		r.reset()
	case "/fault":
		r.fault.end()
		r.fault = parseFault(q.URL.Query())
	case "/token":
		r.token = q.URL.Query().Get("is")
	case "/down":
		server := r.server
		r.mutex.Unlock()
		server.Close()
		r.mutex.Lock()
	case "/up":
		if err := r.up(); err != nil {
			http.Error(w, err.Error(), 500)
		}
	default:
		http.NotFound(w, q)
	}
}

func loadTLS(cert, key, clientCA string) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"http/1.1"}}
	if clientCA != "" {
		pem, err := os.ReadFile(clientCA)
		if err != nil {
			return nil, err
		}
		config.ClientCAs = x509.NewCertPool()
		config.ClientCAs.AppendCertsFromPEM(pem)
		config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return config, nil
}

func main() {
	r := &receiver{}
	r.reset()
	listen := flag.String("listen", "127.0.0.1:0", "where pushes come")
	control := flag.String("control", "127.0.0.1:0", "where the test asks")
	cert := flag.String("cert", "", "TLS certificate")
	key := flag.String("key", "", "its key")
	clientCA := flag.String("client-ca", "", "clients must have a certificate of this one")
	flag.DurationVar(&r.maxAge, "max-age", time.Hour, "older profiles are refused")
	flag.StringVar(&r.tenant, "tenant", "", "X-Scope-OrgID that must be there")
	flag.StringVar(&r.token, "token", "", "bearer token that must be there")
	flag.Parse()
	r.address = *listen
	if *cert != "" {
		var err error
		if r.tls, err = loadTLS(*cert, *key, *clientCA); err != nil {
			log.Fatal(err)
		}
	}
	if err := r.up(); err != nil {
		log.Fatal(err)
	}
	c, err := net.Listen("tcp", *control)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("listen %s\ncontrol %s\n", r.address, c.Addr())
	// the test holds our standard input open: we go with it
	go func() { io.Copy(io.Discard, os.Stdin); os.Exit(0) }()
	log.Fatal(http.Serve(c, http.HandlerFunc(r.control)))
}
