import type { components } from "./schema";

type Schemas = components["schemas"];

export type ClientConfig = Schemas["ClientConfig"];
export type HostedSignIn = Schemas["HostedSignIn"];
export type Album = Schemas["AlbumView"];
export type AlbumStatus = Schemas["AlbumStatus"];
export type Cluster = Schemas["ClusterView"];
export type Edited = Schemas["Edited"];
export type DuplicateGroup = Schemas["DuplicateGroup"];
export type Job = Schemas["JobView"];
export type PersonFace = Schemas["PersonFace"];
export type Photo = Schemas["PhotoView"];
export type PhotoFace = Schemas["FaceView"];
export type Receipt = Schemas["ReceiptView"];
export type Share = Schemas["ShareView"];
export type ShareFilters = Schemas["ShareFilters"];
export type SharedAlbum = Schemas["SharedAlbum"];
export type SharedPhoto = Schemas["SharedPhoto"];
export type Suggestion = Schemas["SuggestionView"];
export type Decision = Schemas["DecisionView"];
