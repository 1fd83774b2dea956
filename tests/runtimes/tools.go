//go:build tools

// Package tools names what the tests take from this module: the program cnitool, and the CRI's protocol file.
package tools

import (
	_ "github.com/containernetworking/cni/cnitool"
	_ "k8s.io/cri-api/pkg/apis/runtime/v1"
)
