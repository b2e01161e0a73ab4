package cluster

import "testing"

func parsed(t *testing.T, text string) Config {
	t.Helper()
	c, err := ParseConfig("", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCheckDefaults(t *testing.T) {
	for _, tt := range []struct {
		check *Check
		port  Port
		want  string
		asks  int
	}{
		{nil, Port{80, TCP}, CheckTCP, 80},
		{nil, Port{53, UDP}, CheckUDP, 53},
		{nil, Port{2905, SCTP}, CheckPing, 0},
		{nil, Port{0, TCP}, CheckPing, 0},
		{&Check{Port: 81}, Port{0, TCP}, CheckTCP, 81},
		{&Check{Type: CheckHTTP, Port: 8080}, Port{53, UDP}, CheckHTTP, 8080},
		{&Check{Type: CheckPing}, Port{80, TCP}, CheckPing, 0},
	} {
		if got := tt.check.For(tt.port); got.Type != tt.want || got.Port != tt.asks || got.Interval == 0 || got.Timeout == 0 || got.Retries == nil {
			t.Errorf("%+v at %v: %+v", tt.check, tt.port, got)
		}
	}
}

// Two descriptions with the same engine differ by what it is to do, written out or not.
func TestEqualOfEngines(t *testing.T) {
	const servers = "realServers: [{address: 10.10.10.31}, {address: 10.10.10.32}]"
	plain := parsed(t, service(servers))
	watch := parsed(t, watched(servers))
	if plain.Equal(watch) || !plain.Equal(parsed(t, "engine: ipvs\n"+service(servers))) {
		t.Error("the engine does not count, or its default does")
	}
	if !watch.Equal(parsed(t, watched("check: {type: tcp, port: 80, interval: 6s, timeout: 3s, retries: 2, retryDelay: 1s}", "quorum: 1", servers))) {
		t.Error("the defaults written out are another description")
	}
	for _, other := range []string{"check: {interval: 7s}", "check: {retries: 0}", "quorum: 2", "sorryServer: 10.10.10.40"} {
		if watch.Equal(parsed(t, watched(other, servers))) {
			t.Errorf("%s makes no difference", other)
		}
	}
}
