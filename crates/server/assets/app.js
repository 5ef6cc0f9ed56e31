// The dashboard's only script. Every page works without it. It parses no HTML and runs no text.
(() => {
  const $ = (s, r = document) => r.querySelector(s), $$ = (s, r = document) => [...r.querySelectorAll(s)];
  const on = (ev, sel, fn) => document.addEventListener(ev, (e) => { const t = e.target.closest?.(sel); if (t) fn(t, e); });
  const root = document.documentElement;
  let submitted = 0; // when a form of the page was last sent

  // To screen readers; with `show` also to eyes.
  const say = (text, show) => {
    const l = $('#live');
    if (!l) return;
    l.textContent = '';
    requestAnimationFrame(() => {
      l.className = show ? 'toast' : 'vh'; l.textContent = text;
      clearTimeout(say.t); say.t = setTimeout(() => { l.className = 'vh'; l.textContent = ''; }, 6000);
    });
  };

  // Theme: the server sets data-theme from the cookie; this flips it without a page load.
  const theme = () => { const c = document.cookie.match(/(?:^|; )theme=(light|dark)/); if (c) root.dataset.theme = c[1]; };
  on('click', '[data-theme-toggle]', (b, e) => {
    e.preventDefault();
    const dark = root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
    root.dataset.theme = dark ? 'light' : 'dark';
    document.cookie = `theme=${root.dataset.theme}; path=/; max-age=31536000; samesite=lax`;
    say(dark ? 'Light theme' : 'Dark theme');
  });

  // The clipboard needs https; over plain http the text is selected and copied; if both fail we say so.
  const copy = async (btn, text, src) => {
    let ok = false;
    try { await navigator.clipboard.writeText(text); ok = true; } catch {
      if (src) { getSelection().selectAllChildren(src); ok = document.execCommand('copy'); }
    }
    if (!ok) {
      src?.focus();
      return say(src ? 'Could not copy. The text is selected: press Ctrl C or ⌘ C.' : `Could not copy. It is: ${text}`, true);
    }
    const lab = $('span', btn);
    say('Copied', !lab);
    if (lab && !btn.dataset.was) { btn.dataset.was = lab.textContent; lab.textContent = 'Copied'; setTimeout(() => { lab.textContent = btn.dataset.was; delete btn.dataset.was; }, 1800); }
  };
  on('click', '[data-copy]', (b) => copy(b, b.dataset.copy));
  on('click', '[data-copy-from]', (b) => { const s = document.getElementById(b.dataset.copyFrom); copy(b, s.textContent.trim(), s); });

  // Sending: the pressed button is busy, and the same form is not sent twice within two seconds.
  document.addEventListener('submit', (e) => {
    const f = e.target, now = Date.now();
    if (e.defaultPrevented || f.method !== 'post') return;
    if (now - (f.sentAt || 0) < 2000) return e.preventDefault();
    f.sentAt = now;
    if (f.closest('main')) submitted = now;
    const b = e.submitter;
    b?.setAttribute('aria-busy', 'true');
    setTimeout(() => b?.removeAttribute('aria-busy'), 5000); // a download leaves the page where it is
  });
  addEventListener('pageshow', (e) => {
    theme();
    if (e.persisted) $$('form, [aria-busy]').forEach((x) => { x.sentAt = 0; x.removeAttribute('aria-busy'); });
  });

  // The gate of a shown secret: leaving asks, until it is ticked. Finish and the download do not ask.
  const gate = $('form[data-gate]');
  if (gate) addEventListener('beforeunload', (e) => { if (!gate.elements.saved.checked && Date.now() - submitted > 1500) e.preventDefault(); });

  // Rows that are on the page already.
  on('input', '[data-filter]', (q) => {
    const v = q.value.trim().toLowerCase(), noun = q.dataset.noun || 'row', none = $('#none');
    let n = 0;
    $$(q.dataset.filter).forEach((r) => { const hit = r.textContent.toLowerCase().includes(v); r.hidden = !hit; n += hit; });
    if (none) none.hidden = n > 0;
    clearTimeout(q.t); q.t = setTimeout(() => say(`${n} ${n === 1 ? noun : noun.replace(/y$/, 'ie') + 's'} shown`), 500);
  });
  document.addEventListener('keydown', (e) => {
    const f = (e.ctrlKey || e.metaKey) && e.key.toLowerCase() === 'k' && $$('[data-find]').find((x) => x.offsetParent);
    if (f) { e.preventDefault(); f.focus(); f.select(); }
  });

  // Bulk selection.
  on('change', 'tbody input[name=id], [data-all]', (c) => {
    const f = c.form, all = f && $('[data-all]', f);
    if (!all) return;
    const boxes = $$('tbody input[name=id]:not(:disabled)', f);
    if (c === all) boxes.forEach((b) => (b.checked = all.checked));
    const n = boxes.filter((b) => b.checked).length, count = $('[data-count]', f);
    all.checked = n > 0 && n === boxes.length; all.indeterminate = n > 0 && n < boxes.length;
    if (count) count.textContent = n;
  });

  on('click', '[data-peek]', (b) => {
    const i = document.getElementById(b.dataset.peek), show = i.type === 'password';
    i.type = show ? 'text' : 'password'; b.setAttribute('aria-pressed', show);
  });

  // What a part of the page needs when it appears.
  const pad = (n) => String(n).padStart(2, '0');
  const tick = (el) => {
    const s = Math.max(0, Math.round((el.end - performance.now()) / 1000)), h = (s / 3600) | 0;
    el.textContent = h ? `${h}:${pad(((s % 3600) / 60) | 0)}:${pad(s % 60)}` : `${(s / 60) | 0}:${pad(s % 60)}`;
  };
  setInterval(() => $$('[data-left]').forEach(tick), 1000); // role=timer is silent
  const poll = (el, until) => setTimeout(async () => {
    if (!el.isConnected || Date.now() > until) return;
    try {
      const r = document.hidden ? null : await fetch(el.dataset.poll, { headers: { accept: 'text/plain' }, redirect: 'error' });
      if (r && !r.ok) return;
      const text = r && (await r.text()).trim();
      if (text && text !== el.textContent.replace(/\s+/g, ' ').trim()) el.textContent = text;
    } catch { return; } // signed out, or the server is gone: the line stays as it is
    poll(el, until);
  }, 3000);
  const dress = (part) => {
    $$('[data-js]', part).forEach((x) => (x.hidden = false));
    $$('time[datetime]', part).forEach((t) => { const d = new Date(t.dateTime); if (d > 0 && !t.title) t.title = `${d.toLocaleString()} your time`; });
    $$('[data-left]', part).forEach((x) => (x.end = performance.now() + x.dataset.left * 1000));
    $$('[data-poll]', part).forEach((x) => poll(x, Date.now() + 600000));
  };
  dress(document);

  // Acts are pages with an open panel; here the panel becomes a modal dialog.
  $$('dialog[data-modal]').forEach((d) => {
    d.close(); d.showModal();
    d.addEventListener('cancel', (e) => { const a = $('a[data-close]', d); if (a && e.target === d) { e.preventDefault(); location.assign(a.href); } });
  });
  $('[role=alert][tabindex]')?.focus(); // the summary of what is wrong

  // What a new key may do: groups at once, counts, the summary, the warning.
  const form = $('form[data-grants]');
  if (form) {
    const rows = $$('.prow[data-group]', form), label = (r) => r.dataset.perm || $('b', r).textContent;
    const input = (r, level) => $$('input', r).find((i) => i.value === level || i.value.endsWith(`:${level}`));
    const has = (r, level) => input(r, level)?.checked;
    const any = (r) => has(r, 'read') || has(r, 'write');
    const set = (r, level) => $$('input', r).forEach((i) => {
      // Radios: the level itself. Checkboxes are independent: Write by the group means both.
      if (i.type === 'radio') { if (i.value === level) i.checked = true; }
      else i.checked = level === 'write' || (level === 'read' && i.value.endsWith(':read'));
    });
    const words = (r, level) => { const l = input(r, level)?.closest('label'); return l ? l.textContent.trim() : level; };
    const line = (level, head, names) => {
      const [li, m, t, b] = ['li', 'span', 'span', 'b'].map((x) => document.createElement(x));
      m.className = `lv ${level[0]}`; m.ariaHidden = 'true'; b.textContent = head; t.append(b, names && ` ${names}`); li.append(m, t);
      return li;
    };
    const put = (sel, text) => $$(sel).forEach((x) => (x.textContent = text));
    const draw = () => {
      const all = !!$('[name=everything][value="1"]:checked', form);
      const lines = ['write', 'read'].map((l) => [l, rows.filter((r) => has(r, l) && (l === 'write' || !has(r, 'write') || input(r, l).type === 'checkbox'))]).filter(([, r]) => r.length);
      $('ul[data-sum], [data-sum] ul')?.replaceChildren(...(all ? [line('write', 'Full access', '')] : lines.map(([l, r]) => line(l, words(r[0], l), r.map(label).join(', ')))));
      put('[data-nonecount]', all ? 0 : rows.filter((r) => !any(r)).length);
      $$('.pg', form).forEach((g) => { const c = $('[data-gcount]', g); if (c) c.textContent = rows.filter((r) => g.contains(r) && (all || any(r))).length; });
      const note = $('[data-moneynote]'), where = form.elements.addresses;
      if (note) note.hidden = !$(all ? '[data-money]' : '[data-money]:checked', form) || !where || where.value.trim() !== '';
      const e = $('input[name=expires]:checked', form), on = form.elements.expires_on?.value;
      if (e) put('[data-exp]', e.value === 'date' && on ? on : e.dataset.t || (e.value === 'never' ? 'Never' : 'Pick a date'));
    };
    form.addEventListener('change', draw);
    form.addEventListener('input', (e) => { if (e.target.name === 'addresses') draw(); });
    on('click', 'button[name=fill]', (b, e) => {
      e.preventDefault();
      const [group, level] = b.value.split(':');
      rows.filter((r) => group === '*' || r.dataset.group === group).forEach((r) => set(r, level));
      draw(); say(b.getAttribute('aria-label') || b.textContent);
    });
    on('click', '[data-addip]', (b) => { const t = form.elements.addresses; t.value = `${t.value.trim()}\n${b.dataset.addip}`.trim(); draw(); t.focus(); });
    addEventListener('pageshow', draw); // the browser may have put old values back
  }

  // Partial updates: data-live="#region". A document by XMLHttpRequest needs no Trusted Types sink.
  let seq = 0, timer;
  const load = (url, sel) => {
    const n = ++seq, x = new XMLHttpRequest(), cur = $(sel);
    if (!cur) return location.assign(url);
    cur.ariaBusy = 'true';
    x.open('GET', url);
    x.responseType = 'document';
    x.onerror = () => location.assign(url);
    x.onload = () => {
      if (n !== seq) return; // an older answer
      const next = x.status === 200 && x.response?.querySelector(sel);
      if (!next) return location.assign(url); // signed out, or an error page: show it whole
      const { id, selectionStart: at } = document.activeElement || {};
      cur.replaceWith(next);
      dress(next);
      const back = id && document.getElementById(id);
      if (back && back !== document.activeElement) { back.focus(); if (at != null) back.setSelectionRange?.(at, at); }
      history.replaceState(null, '', url);
      say(next.dataset.say || '');
    };
    x.send();
  };
  const go = (f) => load(`${f.action.split('?')[0]}?${new URLSearchParams(new FormData(f))}`, f.dataset.live);
  on('submit', 'form[data-live]', (f, e) => { e.preventDefault(); clearTimeout(timer); go(f); });
  on('input', 'form[data-live] *', ({ form: f }) => { if (!f?.dataset.live) return; clearTimeout(timer); timer = setTimeout(go, 200, f); });
  on('click', 'a[data-live]', (a, e) => { if (!e.metaKey && !e.ctrlKey && !e.shiftKey && !e.button) { e.preventDefault(); load(a.href, a.dataset.live); } });
})();
