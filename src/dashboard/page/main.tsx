import 'uplot/dist/uPlot.min.css';
import './css/base.css';
import './css/layout.css';
import './css/parts.css';
import { render } from 'preact';
import { App } from './app.tsx';
import { Orders } from './orders.tsx';
import { Stream } from './stream.tsx';
import { applyTheme, savedTheme } from './theme.tsx';

applyTheme(savedTheme());
const root = document.getElementById('app');
if (root) render(<App stream={new Stream('/dashboard/events')} orders={new Orders()} />, root);
