//go:build linux

package main

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// ciTree is a copy of the project's scripts beside stand-ins for the programs that
// they call, each a shell script, first on PATH.
func ciTree(t *testing.T, programs map[string]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, ".ci"), os.DirFS("../../../.ci")); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{"path", "bin", "cmd", "lvsdr/lab/gallery", "units", "examples"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, script := range programs {
		if !strings.Contains(name, "/") {
			name = "path/" + name
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/bash\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// ciRun runs one of the scripts with more environment.
func ciRun(t *testing.T, dir, script string, env ...string) (stdout string, err error) {
	t.Helper()
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bash, filepath.Join(dir, ".ci", script))
	cmd.Env = append(os.Environ(), "PATH="+filepath.Join(dir, "path")+":"+os.Getenv("PATH"), "T="+dir, "CI=true", "LVSDR_FAULTS_SHARE=")
	cmd.Env = append(cmd.Env, env...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	t.Log(stderr.String())
	return string(out), err
}

// A kernel's package has its modules under lib (Debian 12) or usr/lib (Debian 13).
func TestKernelScript(t *testing.T) {
	for _, modules := range []string{"lib/modules", "usr/lib/modules"} {
		t.Run(modules, func(t *testing.T) {
			dir := ciTree(t, map[string]string{
				"qemu-system-x86_64":                "",
				"apt-cache":                         "echo '  Depends: linux-image-6.12.9-amd64'",
				"apt-get":                           `[ "$1" = download ] && touch "${!#}_1_amd64.deb"`,
				"dpkg-deb":                          `cp -r "$T/package/." "$3"`,
				"depmod":                            `touch "$2/lib/modules/$3/modules.dep"`,
				"package/boot/vmlinuz-6.12.9-amd64": "",
				"package/usr/share/doc/copyright":   "",
				"package/" + modules + "/6.12.9-amd64/modules.builtin": "",
			})
			for range 2 { // fetched, found
				out, err := ciRun(t, dir, "kernel")
				if err != nil {
					t.Fatal(err)
				}
				if k, err := findDistroKernel(strings.TrimSpace(out)); err != nil || k.release != "6.12.9-amd64" {
					t.Errorf("%q: %+v, %v", out, k, err)
				}
			}
		})
	}
	t.Run("unknown", func(t *testing.T) {
		dir := ciTree(t, map[string]string{"qemu-system-x86_64": "", "depmod": "", "apt-cache": "echo none", "apt-get": ""})
		if out, err := ciRun(t, dir, "kernel"); err == nil {
			t.Errorf("no kernel, and yet %q", out)
		}
	})
}

// stagePrograms are stand-ins for what .ci/test calls. One call fails where its
// words match $FAIL; the gallery has two cases, of which $LOST does not run.
var stagePrograms = map[string]string{
	".ci/need":       "",
	".ci/ownnet":     "",
	".ci/kernel":     `[ -z "$NOKERNEL" ] || exit 1; echo /kernel`,
	"gofmt":          "",
	"root/bin/gofmt": `echo -n "$UNFORMATTED"`,
	".ci/go": `words="$*"
echo "$words" >>"$T/calls"
[[ -z $FAIL || ! $words =~ $FAIL ]] || exit 1
[[ -z $NOTESTS || ! $words =~ $NOTESTS ]] || echo "ok x 0.1s [no tests to run]"
case $words in
"env GOROOT"*) echo "$T/root" ;;
*umlexec\ ./cmd*) cp "$T/path/guest" bin/umlexec ;;
*gallery.test*) cp "$T/path/gallery" bin/gallery.test ;;
esac`,
	"guest": `echo "part $LVSDR_FAULTS_PART" >>"$T/calls"
[ "$FAIL" != "part $LVSDR_FAULTS_PART" ] || exit 1
[ "$SILENT" != "$LVSDR_FAULTS_PART" ] || exit 0
echo PASS
[ "$LVSDR_QEMU_KERNEL" = /kernel ] || exit 1
case "$LVSDR_FAULTS_PART $LOST" in
"1/2 a" | "2/2 b") ;;
1/2*) echo "    --- PASS: TestFaults/a (0.1s)" ;;
2/2*) echo "    --- PASS: TestFaults/b (0.1s)" ;;
esac`,
	"gallery":                           `[ -n "$NOCASES" ] || printf '    x_test.go:1: case: TestFaults/%s\n' a b`,
	"lvsdr/lab/gallery/gallery_test.go": "// LVSDR_TEST_",
	"lvsdr/lab/x_test.go":               "// LVSDR_TEST_",
}

// The whole of .ci/test fails when a stage of it does, or did not run.
func TestTestScript(t *testing.T) {
	stages := []string{
		"FAIL=env GOROOT", "UNFORMATTED=x.go", "FAIL=^vet", "FAIL=-race", "FAIL=-p 1", "FAIL=umlexec ./cmd", "FAIL=gallery.test",
		"FAIL=part 1/2", "FAIL=part 2/2", "NOKERNEL=1", "FAIL=TestMissionsValues",
		"NOTESTS=TestMissionsValues", "NOTESTS=-p 1", "FAIL=exec.*/cmd/lvsdr$", "NOTESTS=exec.*/cmd/lvsdr$", "LOST=a", "LOST=b", "NOCASES=1", "SILENT=2/2", "",
	}
	if os.Geteuid() == 0 { // others have no machines with systemd
		stages = append(stages, "FAIL=TestTrees", "NOTESTS=TestTrees", "FAIL=-parallel 3", "FAIL=TestKeepalivedTakesIt", "FAIL=TestDirector", "NOTESTS=TestDirector", "FAIL=TestCloudCluster", "NOTESTS=TestCloudCluster")
	}
	for _, broken := range stages {
		t.Run(cmp.Or(broken, "nothing"), func(t *testing.T) {
			t.Parallel()
			dir := ciTree(t, stagePrograms)
			out, err := ciRun(t, dir, "test", broken)
			if (err == nil) != (broken == "") {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// In four turns .ci/test runs what it runs without them: the tests that it names, and
// every case of the gallery.
func TestTurns(t *testing.T) {
	t.Parallel()
	named := regexp.MustCompile(` -run \^\(?([^ )]*?)\)?\$`)
	ran := func(shares ...string) []string {
		var all []string
		for _, share := range shares {
			dir := ciTree(t, stagePrograms)
			ciRun(t, dir, "test", "LVSDR_FAULTS_SHARE="+share) // it fails, since the stand-in of the gallery has two cases
			calls, err := os.ReadFile(filepath.Join(dir, "calls"))
			if err != nil {
				t.Fatal(err)
			}
			for call := range strings.Lines(string(calls)) {
				var part, parts int
				if n, _ := fmt.Sscanf(call, "part %d/%d", &part, &parts); n == 2 {
					for ; part <= 8; part += parts { // 8 is a multiple of each number of parts
						all = append(all, fmt.Sprintf("part %d of 8", part))
					}
				} else if m := named.FindStringSubmatch(call); m != nil {
					all = append(all, strings.Split(m[1], "|")...)
				}
			}
		}
		slices.Sort(all)
		return slices.Compact(all)
	}
	all, turns := ran("1/1"), ran("1/4", "2/4", "3/4", "4/4")
	if !slices.Equal(all, turns) || !slices.Contains(all, "TestEngines") || !slices.Contains(all, "part 8 of 8") {
		t.Errorf("without turns\n%q\nin turns\n%q", all, turns)
	}
}

// The whole of .ci/run fails when a part of it does, one that runs aside included.
func TestRunScript(t *testing.T) {
	const release = "NOW=259200" // the fourth day
	for _, broken := range []string{"FAIL=^test", "FAIL=^lint", "FAIL=^demo$", "FAIL=^demo FAULT", "FAIL=^release", ""} {
		t.Run(cmp.Or(broken, "nothing"), func(t *testing.T) {
			t.Parallel()
			dir := ciTree(t, map[string]string{
				"date": "echo $NOW",
				"make": `words="$*"
echo "$words $LVSDR_FAULTS_SHARE"
[[ -z $FAIL || ! $words =~ $FAIL ]]`,
			})
			out, err := ciRun(t, dir, "run", release, broken)
			if (err == nil) != (broken == "") || !strings.Contains(out, "test 4/4\n") {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// An empty name is that of no kernel, and not User-Mode Linux: it is what is left of
// a script that failed to find one.
func TestNoKernelNamed(t *testing.T) {
	t.Setenv("LVSDR_QEMU_KERNEL", "")
	if kernel, _, err := findKernel(); err == nil {
		t.Errorf("found %s", kernel)
	}
}
