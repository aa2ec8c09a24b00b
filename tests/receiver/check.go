// Checks one push request as strictly as any reader of it might.
package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"regexp"
	"sort"
	"strings"
	"time"

	"github.com/google/pprof/profile"
	googlev1 "github.com/grafana/pyroscope/api/gen/proto/go/google/v1"
	pushv1 "github.com/grafana/pyroscope/api/gen/proto/go/push/v1"
	"google.golang.org/protobuf/proto"
)

const (
	maxBytes   = 1992294 // 1.9 MiB: the server's burst is 2
	maxSamples = 16000
	maxDepth   = 1000
	maxString  = 65536
	maxLabels  = 30
	maxName    = 1024
	maxValue   = 2048
)

var (
	labelName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)
	typeName  = regexp.MustCompile(`^[a-z0-9_]+$`)
)

// A push is one request, taken apart.
type push struct {
	labels   string // name=value,… sorted
	raw      []byte // the profile, uncompressed
	profile  *googlev1.Profile
	samples  int64
	value    int64
	self     map[string]int64 // samples by leaf function
	has      map[string]bool  // functions
	inlined  bool             // a location with two lines
	violated []string
}

func (p *push) fail(format string, args ...any) {
	if len(p.violated) < 20 {
		p.violated = append(p.violated, fmt.Sprintf(format, args...))
	}
}

func decode(body []byte, maxAge time.Duration) *push {
	p := &push{self: map[string]int64{}, has: map[string]bool{}}
	var request pushv1.PushRequest
	if err := proto.Unmarshal(body, &request); err != nil {
		p.fail("not a PushRequest: %v", err)
		return p
	}
	if len(request.Series) != 1 || len(request.Series[0].Samples) != 1 {
		p.fail("%d series, not one with one profile", len(request.Series))
		return p
	}
	if len(request.ProtoReflect().GetUnknown()) > 0 || len(request.Series[0].ProtoReflect().GetUnknown()) > 0 {
		p.fail("unknown fields")
	}
	p.checkLabels(request.Series[0])
	p.checkProfile(request.Series[0].Samples[0].RawProfile, maxAge)
	return p
}

func (p *push) checkLabels(series *pushv1.RawProfileSeries) {
	seen := map[string]string{}
	var list []string
	for _, l := range series.Labels {
		if _, twice := seen[l.Name]; twice {
			p.fail("label %s twice", l.Name)
		}
		seen[l.Name] = l.Value
		list = append(list, l.Name+"="+l.Value)
		if !labelName.MatchString(l.Name) || len(l.Name) > maxName {
			p.fail("label name %q", l.Name)
		}
		if l.Value == "" || len(l.Value) > maxValue {
			p.fail("label %s has a value of %d bytes", l.Name, len(l.Value))
		}
		if strings.HasPrefix(l.Name, "__") && l.Name != "__name__" {
			p.fail("label %s should have stayed at home", l.Name)
		}
	}
	if len(series.Labels) > maxLabels {
		p.fail("%d labels", len(series.Labels))
	}
	if seen["__name__"] != "process_cpu" {
		p.fail("__name__ is %q", seen["__name__"])
	}
	if seen["service_name"] == "" {
		p.fail("no service_name")
	}
	if !sort.StringsAreSorted(list) {
		p.fail("labels are not sorted")
	}
	p.labels = strings.Join(list, ",")
}

func (p *push) checkProfile(raw []byte, maxAge time.Duration) {
	p.raw = raw
	if bytes.HasPrefix(raw, []byte{0x1f, 0x8b}) {
		r, err := gzip.NewReader(bytes.NewReader(raw))
		if err == nil {
			p.raw, err = io.ReadAll(io.LimitReader(r, 64<<20))
		}
		if err != nil {
			p.fail("gzip: %v", err)
			return
		}
	}
	if len(p.raw) > maxBytes {
		p.fail("%d bytes uncompressed", len(p.raw))
	}
	p.profile = &googlev1.Profile{}
	if err := proto.Unmarshal(p.raw, p.profile); err != nil { // this checks UTF-8 too
		p.fail("not a pprof: %v", err)
		p.profile = nil
		return
	}
	if parsed, err := profile.ParseData(p.raw); err != nil {
		p.fail("pprof: %v", err)
	} else if err := parsed.CheckValid(); err != nil {
		p.fail("pprof: %v", err)
	}
	p.checkHead(maxAge)
	p.checkTables()
	p.checkSamples()
}

func (p *push) text(i int64) string {
	if i < 0 || int(i) >= len(p.profile.StringTable) {
		p.fail("string %d of %d", i, len(p.profile.StringTable))
		return ""
	}
	return p.profile.StringTable[i]
}

func (p *push) checkHead(maxAge time.Duration) {
	m := p.profile
	if len(m.StringTable) == 0 || m.StringTable[0] != "" {
		p.fail("string_table[0]")
		return
	}
	used := map[string]bool{}
	for _, s := range m.StringTable {
		if len(s) > maxString {
			p.fail("a string of %d bytes", len(s))
		}
		if used[s] {
			p.fail("string %q twice", s)
		}
		used[s] = true
	}
	want := []string{"samples/count", "cpu/nanoseconds"}
	if len(m.SampleType) != len(want) {
		p.fail("%d sample types", len(m.SampleType))
		return
	}
	for i, t := range m.SampleType {
		if got := p.text(t.Type) + "/" + p.text(t.Unit); got != want[i] || !typeName.MatchString(p.text(t.Type)) {
			p.fail("sample type %d is %s", i, got)
		}
	}
	if m.PeriodType == nil || p.text(m.PeriodType.Type) != "cpu" || p.text(m.PeriodType.Unit) != "nanoseconds" || m.Period <= 0 {
		p.fail("period type or period")
	}
	age := time.Since(time.Unix(0, m.TimeNanos))
	if age > maxAge || age < -10*time.Minute {
		p.fail("outside of ingestion window: %v old", age)
	}
	if m.DurationNanos <= 0 {
		p.fail("duration_nanos %d", m.DurationNanos)
	}
}

func (p *push) checkTables() {
	m := p.profile
	functions, mappings := make([]bool, len(m.Function)+1), make([]bool, len(m.Mapping)+1)
	for i, f := range m.Function {
		if f.Id != uint64(i+1) || p.text(f.Name) == "" {
			p.fail("function %d: id %d, name %q", i+1, f.Id, p.text(f.Name))
		}
		p.text(f.SystemName)
		p.text(f.Filename)
		p.has[p.text(f.Name)] = true
	}
	for i, l := range m.Location {
		if l.Id != uint64(i+1) {
			p.fail("location %d has id %d", i+1, l.Id)
		}
		if len(l.Line) == 0 { // the server would give its value to the caller
			p.fail("location %d has no line", l.Id)
		}
		p.inlined = p.inlined || len(l.Line) > 1
		for _, line := range l.Line {
			if line.FunctionId == 0 || line.FunctionId > uint64(len(m.Function)) {
				p.fail("location %d: function %d", l.Id, line.FunctionId)
				continue
			}
			functions[line.FunctionId] = true
		}
		if l.MappingId > uint64(len(m.Mapping)) {
			p.fail("location %d: mapping %d", l.Id, l.MappingId)
			continue
		}
		mappings[l.MappingId] = true
	}
	for i, mapping := range m.Mapping {
		if mapping.Id != uint64(i+1) || mapping.MemoryStart != 0 || mapping.MemoryLimit != 0 || mapping.FileOffset != 0 {
			p.fail("mapping %d", i+1)
		}
		if !mappings[i+1] {
			p.fail("mapping %d is used by nothing", i+1)
		}
	}
	for i := range m.Function {
		if !functions[i+1] {
			p.fail("function %d is used by nothing", i+1)
		}
	}
}

func (p *push) checkSamples() {
	m := p.profile
	if len(m.Sample) == 0 || len(m.Sample) >= maxSamples {
		p.fail("%d samples", len(m.Sample))
	}
	used, stacks := make([]bool, len(m.Location)+1), map[string]bool{}
	for _, s := range m.Sample {
		if len(s.Value) != 2 || s.Value[0] < 0 || s.Value[1] < 0 || s.Value[0]+s.Value[1] == 0 {
			p.fail("sample values %v", s.Value)
			continue
		}
		if len(s.Label) > 0 { // each string label would become a series label
			p.fail("a sample with labels")
		}
		if len(s.LocationId) == 0 || len(s.LocationId) > maxDepth {
			p.fail("a stack of %d", len(s.LocationId))
			continue
		}
		for _, id := range s.LocationId {
			if id == 0 || id > uint64(len(m.Location)) {
				p.fail("location %d of %d", id, len(m.Location))
				return
			}
			used[id] = true
		}
		if key := fmt.Sprint(s.LocationId); stacks[key] {
			p.fail("a stack twice")
		} else {
			stacks[key] = true
		}
		p.samples += s.Value[0]
		p.value += s.Value[1]
		leaf := m.Location[s.LocationId[0]-1]
		if len(leaf.Line) > 0 && leaf.Line[0].FunctionId > 0 && leaf.Line[0].FunctionId <= uint64(len(m.Function)) {
			p.self[p.text(m.Function[leaf.Line[0].FunctionId-1].Name)] += s.Value[0]
		}
	}
	for i := range m.Location {
		if !used[i+1] {
			p.fail("location %d is used by nothing", i+1)
		}
	}
}
