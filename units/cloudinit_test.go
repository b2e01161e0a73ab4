package units

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
)

// oneCommand is the only command of the user-data.
func oneCommand(t *testing.T, c CloudConfig) string {
	t.Helper()
	text, err := c.Render()
	if err != nil {
		t.Fatal(err)
	}
	var doc struct{ Runcmd []string }
	if err := yaml.Unmarshal(text, &doc); err != nil || len(doc.Runcmd) != 1 || !strings.HasPrefix(string(text), "#cloud-config\n") {
		t.Fatalf("%q, %v of\n%s", doc.Runcmd, err, text)
	}
	return doc.Runcmd[0]
}

// The command of the user-data, run by a shell: what has the right sum is put in place
// and run with the flags, word for word, and nothing else is.
func TestCloudConfigFetches(t *testing.T) {
	const program = "#!/bin/sh\nprintf '%s|' \"$@\" >\"$0.said\"\n"
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte(program)))
	c := CloudConfig{Role: cluster.RealServerRole, Args: []string{"--vip", "10.10.10.22", "--interface", "it's $HOME"}}
	for name, c2 := range map[string]struct {
		sum, with string
		runs      bool
	}{
		"curl":             {strings.ToUpper(sum), "curl", true},
		"wget":             {sum, "wget", true},
		"another file":     {strings.Repeat("0", 64), "curl", false},
		"nobody can fetch": {sum, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			c.Binary = Download{"https://example.org/lv'sdr?a=1&b=2", c2.sum}
			line := strings.NewReplacer(cloudBinary, dir+"/lvsdr", cloudDownload, dir+"/download").Replace(oneCommand(t, c))
			for _, fetcher := range []string{"curl", "wget"} {
				script := "#!/bin/sh\nexit 1\n"
				if fetcher == c2.with { // the address is the last word, the file the one before
					script = "#!/bin/sh\nwhile [ $# -gt 2 ]; do shift; done\n[ \"$2\" = \"https://example.org/lv'sdr?a=1&b=2\" ] && cp " + dir + "/program \"$1\"\n"
				}
				write(t, filepath.Join(dir, fetcher), script, 0o755)
			}
			write(t, dir+"/program", program, 0o644)
			cmd := exec.Command("sh", "-c", line)
			cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
			out, err := cmd.CombinedOutput()
			if (err == nil) != c2.runs {
				t.Errorf("%v: %s\n%s", err, line, out)
			}
			said, _ := os.ReadFile(dir + "/lvsdr.said")
			want := ""
			if c2.runs {
				want = "setup|realserver|--vip|10.10.10.22|--interface|it's $HOME|--passive|"
			}
			if string(said) != want {
				t.Errorf("run with %q, want %q\n%s", said, want, out)
			}
			if _, err := os.Stat(dir + "/download"); c2.runs && err == nil {
				t.Error("the download is left over")
			}
		})
	}
}

func write(t *testing.T, name, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

func TestCloudConfigRefuses(t *testing.T) {
	sum := strings.Repeat("0a", 32)
	for reason, c := range map[string]CloudConfig{
		"there is no role":        {Role: "client"},
		"https address":           {Role: cluster.DirectorRole, Binary: Download{"http://example.org/lvsdr", sum}},
		"sum is wanted too":       {Role: cluster.DirectorRole, Binary: Download{URL: "https://example.org/lvsdr"}},
		"without the address":     {Role: cluster.DirectorRole, Binary: Download{SHA256: sum}},
		"64 hexadecimal digits":   {Role: cluster.DirectorRole, Binary: Download{"https://example.org/lvsdr", sum + "0"}},
		"invalid control charact": {Role: cluster.DirectorRole, Binary: Download{"https://example.org/lv\nsdr", sum}},
	} {
		if text, err := c.Render(); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%+v: %v, want %q\n%s", c, err, reason, text)
		}
	}
}
