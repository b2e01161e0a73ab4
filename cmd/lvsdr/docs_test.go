package main

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/urfave/cli/v3"

	"github.com/lvsdr/toolkit/lvsdr/status"
)

// TestOutputIsDocumented finds every field of every JSON document in docs/output.md.
func TestOutputIsDocumented(t *testing.T) {
	docs := read(t, "../../docs/output.md")
	for _, v := range []any{report{}, diagnosis{}, status.Status{}, unitDocument{}, cloudDocument{}, build{}} {
		for _, name := range fields(reflect.TypeOf(v)) {
			if !strings.Contains(docs, "`"+name+"`") && !strings.Contains(docs, "."+name+"`") &&
				!strings.Contains(docs, "`"+name+"[]`") {
				t.Errorf("docs/output.md does not tell of %q of %T", name, v)
			}
		}
	}
}

// fields returns the names of all JSON fields of a type and what it is made of.
func fields(t reflect.Type) []string {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice:
		return fields(t.Elem())
	case reflect.Struct:
	default:
		return nil
	}
	var names []string
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if name == "" || name == "-" {
			continue
		}
		names = append(append(names, name), fields(t.Field(i).Type)...)
	}
	return names
}

// TestServiceFlagsAreDocumented: docs/cli.md lists the flags that a file replaces.
func TestServiceFlagsAreDocumented(t *testing.T) {
	docs := read(t, "../../docs/cli.md")
	for _, f := range serviceFlags() {
		if name := "`--" + f.Names()[0] + "`"; !strings.Contains(docs, name) {
			t.Errorf("docs/cli.md does not tell of %s", name)
		}
	}
}

// TestCommandsAreHelpful: every command and every flag says what it is for.
func TestCommandsAreHelpful(t *testing.T) {
	app := newApp(&session{})
	for _, c := range app.Commands {
		if c.Usage == "" || c.UsageText == "" && !c.Hidden {
			t.Errorf("lvsdr %s has no usage or no example", c.Name)
		}
		for _, f := range c.Flags {
			d, ok := f.(cli.DocGenerationFlag)
			if !ok || d.GetUsage() == "" {
				t.Errorf("lvsdr %s %s has no usage", c.Name, f.Names()[0])
				continue
			}
			if value, _ := placeholder(d.GetUsage()); takesValue(f) != (value != "") {
				t.Errorf("lvsdr %s --%s: the value it takes is called %q", c.Name, f.Names()[0], value)
			}
		}
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
