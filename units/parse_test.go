package units

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
)

// Parse gives back what Render was given, however odd and however long.
func TestParse(t *testing.T) {
	long := []string{"--vip", "10.10.10.22"}
	for i := range 200 {
		long = append(long, "--real-server", fmt.Sprintf("10.10.11.%d", i))
	}
	for _, want := range []Unit{
		{Role: cluster.DirectorRole, Binary: "/usr/bin/lvsdr", Args: []string{"--config", "/etc/my cluster/100%.yaml"}},
		{Role: cluster.RealServerRole, Binary: "/opt/$x/lv\\sdr", Args: []string{"--vip", `a"b'c`, "", "$HOME", "ü"}},
		{Role: cluster.RealServerRole, Binary: "/usr/bin/lvsdr", Args: []string{}},
		{Role: cluster.DirectorRole, Binary: "/usr/bin/lvsdr", Args: long},
	} {
		text, err := Render(want)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Parse(text); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
	}
}

// What lvsdr does not write it does not guess at.
func TestParseRefuses(t *testing.T) {
	for text, reason := range map[string]string{
		"[Unit]\nExecStart=/l setup director --runtime\n":           "no ExecStart=",
		"[Service]\nExecStart=/bin/false\n":                         "not a set-up",
		"[Service]\nExecStart=/l setup director --vip %i\n":         "filled in by systemd",
		"[Service]\nExecStart=/l setup director --runtime $VIP\n":   "filled in by systemd",
		"[Service]\nExecStart=/l setup director --runtime \"a\n":    "without its end",
		"[Service]\nExecStart=/l setup director --runtime \\\n":     "at the end",
		"[Service]\nExecStart=/l setup director --runtime \\xzz\n":  "does not write",
		"[Service]\nExecStart=/l setup director --runtime \\101\n":  "does not write",
		"[Service]\nExecStart=/l teardown director --runtime --x\n": "not a set-up",
	} {
		if u, err := Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%q: %+v, %v, want %q", text, u, err, reason)
		}
	}
	got, err := splitCommandLine(`/l  a'b c'd "e\sf"	g`)
	if want := []string{"/l", "ab cd", "e f", "g"}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
}
