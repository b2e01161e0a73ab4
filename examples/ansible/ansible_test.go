//go:build linux

package ansible_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr/lab"
)

// The playbook on a real server in a namespace, by ansible-playbook itself: a check
// changes nothing, a run brings the role, a second one finds nothing to do.
func TestPlaybook(t *testing.T) {
	lab.Need(t, lab.Netns, lab.Ansible)
	bin := filepath.Join(t.TempDir(), "lvsdr")
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-o", bin, "../../cmd/lvsdr").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	l, err := lab.New(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	host := l.RealServers[0]
	p := playbook{t, host}
	before := p.state()
	if out := p.play("lvsdr_program="+bin, "--check"); !strings.Contains(out, "TASK [lvsdr : What is due]") || !strings.Contains(out, "changed=3 ") {
		t.Errorf("the check says\n%s", out)
	}
	if after := p.state(); after != before {
		t.Errorf("the check has changed\n%s\nto\n%s", before, after)
	}
	installs := "lvsdr_program=" + t.TempDir() + "/lvsdr lvsdr_binary=" + bin
	if out := p.play(installs); !strings.Contains(out, "changed=4 ") {
		t.Errorf("the first run says\n%s", out)
	}
	if now := p.state(); !strings.Contains(now, "10.10.10.22/32") {
		t.Errorf("there is no VIP:\n%s", now)
	}
	if out := p.play(installs); !strings.Contains(out, "changed=0 ") {
		t.Errorf("the second run says\n%s", out)
	}
}

type playbook struct {
	*testing.T
	host *lab.Host
}

// play runs the first play of site.yml: the other one's doctor wants the whole cluster.
func (p playbook) play(vars string, flags ...string) string {
	p.Helper()
	text, err := os.ReadFile("site.yml")
	if err != nil {
		p.Fatal(err)
	}
	first, _, _ := strings.Cut(string(text), "\n- name: The cluster works")
	roles, err := filepath.Abs("roles")
	if err != nil {
		p.Fatal(err)
	}
	dir := p.TempDir()
	if err := os.WriteFile(dir+"/first.yml", []byte(strings.Replace(first, "become: true", "become: false", 1)), 0o600); err != nil {
		p.Fatal(err)
	}
	args := append([]string{"HOME=" + dir, "ANSIBLE_ROLES_PATH=" + roles, "LC_ALL=C.UTF-8", "ANSIBLE_PIPELINING=1", "ansible-playbook", "--connection", "local",
		"--inventory", "dev-2,", "--extra-vars", vars + " ansible_python_interpreter=auto_silent", dir + "/first.yml"}, flags...)
	out, err := p.host.Run(p.Context(), "env", args...)
	if err != nil {
		p.Fatalf("%v\n%s", err, out)
	}
	return out
}

// state is what a set-up leaves on the host.
func (p playbook) state() string {
	p.Helper()
	out, err := p.host.Run(p.Context(), "sh", "-c", "ip -o address show lo; find /etc/lvsdr /etc/sysctl.d /etc/systemd/system 2>/dev/null | sort; sysctl -a 2>/dev/null | grep arp_")
	if err != nil {
		p.Fatal(err)
	}
	return out
}
