// What SillyTavern uses where no git is installed: node isomorphic_git.js clone|pull URL FOLDER; prints the commit.
const fs = require('node:fs');
const git = require('isomorphic-git');
const http = require('isomorphic-git/http/node');

const [what, url, dir] = process.argv.slice(2);

async function main() {
  if (what === 'clone') await git.clone({ fs, http, dir, url, depth: 1, singleBranch: true });
  else await git.pull({ fs, http, dir, url, ref: 'main', singleBranch: true, fastForwardOnly: true, author: { name: 'a', email: 'a@b' } });
  console.log(await git.resolveRef({ fs, dir, ref: 'HEAD' }));
}

main();
