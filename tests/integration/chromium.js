'use strict';
// Chromium as all tests start it: without a window, and without a word to its maker.

const { chromium } = require('playwright-core');

const args = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

module.exports = (executablePath) => chromium.launch({ executablePath, args, timeout: 120_000 });
