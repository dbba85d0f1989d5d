import type { FactRule } from '../channels/publication.ts'
import { layoutRestoreRule, layoutUpdateRule } from './layout-rules.ts'
import { widgetBatchRule, widgetDeleteRule, widgetUpdateRule } from './widget-rules.ts'

/** How facts change a channel's documents: each gives them their next versions in its own transaction [DOC1]. */
export const documentRules: Readonly<Record<string, FactRule>> = {
  'widget:update': widgetUpdateRule,
  'widget:delete': widgetDeleteRule,
  'widget:batch': widgetBatchRule,
  'layout:update': layoutUpdateRule,
  'layout:restore': layoutRestoreRule,
}
