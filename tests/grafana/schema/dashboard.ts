// What a file in grafana/dashboards/ may hold: Grafana's own types, and of panels and queries those that we use, so that what Grafana leaves
// open (`Record<string, unknown>`) is closed. README.md says how this becomes dashboard.schema.json.
import type * as g from '@grafana/schema';
import type * as bargauge from '@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen';
import type * as gauge from '@grafana/schema/dist/esm/raw/composable/gauge/panelcfg/x/GaugePanelCfg_types.gen';
import type * as heatmap from '@grafana/schema/dist/esm/raw/composable/heatmap/panelcfg/x/HeatmapPanelCfg_types.gen';
import type * as stat from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type * as states from '@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen';
import type * as table from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen';
import type * as timeseries from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';

// Queries of Prometheus are no part of @grafana/schema any more: these are the fields of its plugin's own that we use.
interface Query {
  refId: string;
  datasource: Required<g.DataSourceRef>;
  expr: string;
  editorMode?: 'code' | 'builder';
  format: 'time_series' | 'table' | 'heatmap';
  instant: boolean;
  range: boolean;
  legendFormat?: string;
}

interface Mark extends Omit<g.AnnotationQuery, 'target' | 'datasource'> {
  datasource: Required<g.DataSourceRef>;
  target: { refId: string; expr: string; interval?: string };
  titleFormat?: string;
  textFormat?: string;
}

type Fields<Custom> = {
  defaults: Omit<g.FieldConfig, 'custom'> & { custom?: Custom };
  overrides: Array<{ matcher: { id: string; options?: string }; properties: Array<{ id: string; value?: unknown }> }>;
};

type Of<Type extends string, Options, Custom> = Omit<g.Panel, 'type' | 'options' | 'fieldConfig' | 'targets' | 'datasource'> & {
  type: Type;
  id: number;
  title: string;
  description: string;
  gridPos: g.GridPos;
  datasource: Required<g.DataSourceRef>;
  targets: Query[];
  options: Options;
  fieldConfig: Fields<Custom>;
};

// Grafana fills in what an older version has not written.
type Panel =
  | Of<'timeseries', timeseries.Options, timeseries.FieldConfig>
  | Of<'stat', stat.Options, {}>
  | Of<'gauge', Partial<gauge.Options> & Pick<gauge.Options, 'reduceOptions'>, {}>
  | Of<'bargauge', bargauge.Options, {}>
  | Of<'table', Omit<table.Options, 'frameIndex'>, Partial<table.FieldConfig>>
  | Of<'heatmap', heatmap.Options, heatmap.FieldConfig>
  | Of<'state-timeline', Omit<states.Options, never>, states.FieldConfig>;

export interface Dashboard extends Omit<g.Dashboard, 'panels' | 'annotations' | 'templating'> {
  uid: string;
  title: string;
  description: string;
  annotations: { list: Mark[] };
  templating: { list: g.VariableModel[] };
  panels: Array<Panel | (Omit<g.RowPanel, 'panels'> & { panels: Panel[] })>;
}
