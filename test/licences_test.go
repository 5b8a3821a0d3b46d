package test

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// licences are those that what we depend on may have, by words that stand in
// each and in no other.
var licences = map[string]string{
	"MIT":        "Permission is hereby granted, free of charge",
	"BSD":        "Redistribution and use in source and binary forms",
	"ISC":        "Permission to use, copy, modify, and/or distribute",
	"ISC, older": "Permission to use, copy, modify, and distribute",
	"Apache-2.0": "Apache License Version 2.0, January 2004",
}

// What go.mod asks for may be used by anyone.
func TestLicences(t *testing.T) {
	list := exec.Command("go", "list", "-m", "-json", "all")
	list.Dir = root
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var m struct {
			Path, Dir string
			Main      bool
		}
		if err := d.Decode(&m); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
		if !m.Main && m.Dir != "" && licenceOf(m.Dir) == "" { // without Dir nothing of it is built
			t.Errorf("%s has no licence that we allow", m.Path)
		}
	}
}

func licenceOf(dir string) string {
	files, _ := filepath.Glob(filepath.Join(dir, "LICEN[SC]E*"))
	for _, f := range files {
		text, _ := os.ReadFile(f)
		flat := strings.Join(strings.Fields(string(text)), " ")
		for name, words := range licences {
			if strings.Contains(flat, words) {
				return name
			}
		}
	}
	return ""
}
