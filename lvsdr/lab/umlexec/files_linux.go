package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A returning file or folder is written under the job folder in the guest and
// copied to where the caller asked for it afterwards.
type returning struct{ inside, outside string }

// The flags of a test binary (go help testflag) that name a file it writes.
var fileFlags = []string{
	"test.coverprofile", "test.cpuprofile", "test.memprofile", "test.blockprofile",
	"test.mutexprofile", "test.trace", "test.testlogfile",
}

// redirectFlags points the file flags in args into dir. A profile's name is
// relative to -test.outputdir where that is given; the test log's is not.
func redirectFlags(args []string, dir string) ([]string, []returning) {
	args = slices.Clone(args)
	var back []returning
	outputDir := ""
	for i, arg := range args {
		if v, ok := strings.CutPrefix(arg, "-test.outputdir="); ok {
			outputDir, args[i] = v, "-test.outputdir="+dir
		}
	}
	for i, arg := range args {
		name, value, ok := strings.Cut(strings.TrimPrefix(arg, "-"), "=")
		if !ok || value == "" || !slices.Contains(fileFlags, name) {
			continue
		}
		inside := filepath.Join(dir, name)
		if name != "test.testlogfile" && !filepath.IsAbs(value) {
			value = filepath.Join(outputDir, value)
		}
		args[i] = "-" + name + "=" + inside
		back = append(back, returning{inside, value})
	}
	return args, back
}

// redirectCoverDir points GOCOVERDIR and -test.gocoverdir into dir.
func redirectCoverDir(args, env []string, dir string) (back []returning) {
	redirect := func(s *string, prefix string) {
		value, ok := strings.CutPrefix(*s, prefix)
		if !ok || value == "" {
			return
		}
		inside := filepath.Join(dir, fmt.Sprintf("cover%d", len(back)))
		*s = prefix + inside
		back = append(back, returning{inside, value})
	}
	for i := range args {
		redirect(&args[i], "-test.gocoverdir=")
	}
	for i := range env {
		redirect(&env[i], "GOCOVERDIR=")
	}
	return back
}

// bringBack copies what the guest wrote; what it did not write is no error.
func (r returning) bringBack() error {
	info, err := os.Stat(r.inside)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return copyFile(r.inside, r.outside)
	}
	entries, err := os.ReadDir(r.inside)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := copyFile(filepath.Join(r.inside, e.Name()), filepath.Join(r.outside, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}
