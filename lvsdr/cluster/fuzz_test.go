package cluster

import (
	"errors"
	"reflect"
	"strconv"
	"testing"
)

// The seeds are here and in testdata/fuzz, where `go test -fuzz` keeps what it finds.

func FuzzParseConfig(f *testing.F) {
	f.Add([]byte(mission))
	f.Add([]byte(`{"services":[{"vip":"2001:db8::22","ports":["53/udp"],"onePacket":true}]}`))
	f.Add([]byte("services:\n  - &s {vip: 10.0.0.1, realServers: &r [{address: 10.0.0.2}]}\n  - {<<: *s, realServers: *r}\n"))
	f.Add([]byte("services: [{vip: 10.0.0.1, scheduler: sh, schedulerFlags: [sh-port], persistence: 1h, persistenceNetmask: 24, ports: [0]}]\ndrain: 0\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 2000 {
			return // aliases make more of it than can be read many times
		}
		c, err := ParseConfig("f", data)
		if err != nil {
			place(t, err)
			return
		}
		_ = LocateError(c.Validate(DirectorRole), "f", data)
		c.VirtualServices()
		roundTrip(t, c)
	})
}

// place fails when an error does not tell its place and its reason.
func place(t *testing.T, err error) {
	t.Helper()
	var e *ConfigError
	if !errors.As(err, &e) || e.File != "f" || e.Line < 1 || e.Column < 1 || e.Reason == "" {
		t.Errorf("an error without its place: %#v", err)
	}
}

func FuzzParsePort(f *testing.F) {
	for _, s := range []string{"80", "53/udp", "2905/SCTP", "0", "065", "65536", "80:8080", "1-2", "/", "80/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { parsesBack(t, s, ParsePort, Port.String) })
}

func FuzzParseDuration(f *testing.F) {
	for _, s := range []string{"20s", "1m30s", "0", "20", "-1s", "1.5h", "9999999h", "µs"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { parsesBack(t, s, ParseDuration, Duration.String) })
}

func FuzzParseRealServer(f *testing.F) {
	for _, s := range []string{"10.10.10.31", "10.10.10.31=3", "2001:db8::31=0", "10.10.10.31:8080=1", "web1=1", "10.0.0.1=65536", "="} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { parsesBack(t, s, ParseRealServer, realServerText) })
}

func FuzzParseTimeouts(f *testing.F) {
	for _, s := range []string{"30s,5s,60s", "0,0,0", "30,5,60", "1s,2s", "1ms,1s,1s", ",,", "1s,1s,1s,1s"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		parsesBack(t, s, ParseTimeouts, func(v Timeouts) string {
			return v.TCP.String() + "," + v.TCPFin.String() + "," + v.UDP.String()
		})
	})
}

func realServerText(s RealServer) string {
	if s.Weight == nil {
		return s.Address.String()
	}
	return s.Address.String() + "=" + strconv.Itoa(*s.Weight)
}

// parsesBack fails when a parser takes a text whose value it does not take again.
func parsesBack[T any](t *testing.T, s string, parse func(string) (T, error), text func(T) string) {
	t.Helper()
	v, err := parse(s)
	var e *ConfigError
	switch {
	case errors.As(err, &e) && e.Reason != "":
		return
	case err != nil:
		t.Fatalf("%q: an error of another type: %v", s, err)
	}
	again, err := parse(text(v))
	if err != nil || !reflect.DeepEqual(v, again) {
		t.Errorf("%q: read as %v, written as %q, read again as %v, %v", s, v, text(v), again, err)
	}
}
