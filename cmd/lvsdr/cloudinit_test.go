package main

import (
	"bytes"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// TestCloudInitExamples: each user-data of examples/cloud-init has what the command
// prints that stands in its comment.
func TestCloudInitExamples(t *testing.T) {
	names, err := filepath.Glob("../../examples/cloud-init/*/user-data")
	if err != nil || len(names) != 3 {
		t.Fatalf("found %q, %v, want one a host of the mission", names, err)
	}
	for _, name := range names {
		text := read(t, name)
		if !strings.HasPrefix(text, "#cloud-config\n") {
			t.Errorf("%s: cloud-init does not know what it is", name)
		}
		_, line, _ := strings.Cut(text, "\n#   lvsdr ")
		line, _, _ = strings.Cut(line, "\n")
		var stdout, stderr bytes.Buffer
		if exit := run(t.Context(), strings.Fields(line), newStage(t.TempDir()).sys, &stdout, &stderr); exit != exitOK {
			t.Fatalf("%s: lvsdr %s: %d, %s", name, line, exit, stderr.String())
		}
		var printed, has map[string]any
		for text, into := range map[string]*map[string]any{stdout.String(): &printed, text: &has} {
			if err := yaml.Unmarshal([]byte(text), into); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if len(printed) == 0 {
			t.Errorf("lvsdr %s printed nothing", line)
		}
		for key, value := range printed {
			if !reflect.DeepEqual(has[key], value) {
				t.Errorf("%s: %s is %v, lvsdr %s prints %v", name, key, has[key], line, value)
			}
		}
	}
}
