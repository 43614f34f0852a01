"""What tables and fields are called in an export that a person reads, in both languages."""

from typing import Final

_WORDS: Final = dict(
    pair.split(":", 1)
    for pair in (
        "customers:客户资料 Record|customer_phones:电话 Numbers|purchases:购买记录 Purchases|contracts:合同 Contracts|"
        "calls:通话 Calls|legs:通话分支 Parties rung|recordings:录音 Recordings|interactions:联系记录 Contacts|"
        "customer_notes:备注 Notes|customer_usage:使用情况 Usage|customer_links:关联客户 Linked customers|"
        "consents:授权 Consents|claims:归属认领 Claims|callbacks:回访 Callbacks|"
        "callback_changes:回访经过 What became of callbacks|dial_attempts:拨号 Calls placed|"
        "complaints:投诉 Complaints|complaint_changes:投诉经过 What became of complaints|complaint_mails:来信 Mails|"
        "complaint_links:附件链接 Attachments|handovers:转交 Handed over|goodwill:补偿 Goodwill|"
        "what_happened:投诉内容 What happened|wants:诉求 What is wanted|resolution:解决办法 Resolution|"
        "root_cause:根本原因 Root cause|prevention:预防措施 What stops it happening again|severity:严重程度 Severity|"
        "due_at:期限 Due|opened_at:提出时间 Opened|satisfaction:满意度 Satisfaction|subject:主题 Subject|"
        "call_list_entries:每日名单 Daily lists|call_list_left_out:未列入名单 Left out of lists|"
        "list_rearrangements:名单调整 Wishes for lists|position:位置 Position|score:分数 Score|reasons:理由 Reasons|"
        "skip_reason:跳过原因 Why skipped|"
        "duplicate_reviews:重复客户审核 Reviews of duplicates|"
        "source_records:来源记录 Source records|"
        "customer_changes:修改历史 Changes|stage_moves:销售阶段变化 Moves through the stages|"
        "merges:合并 Merges|card_views:查看记录 Who looked|erasures:删除 Erasures|"
        "code:编号 Code|kind:类型 Kind|name:姓名 Name|surname:姓 Surname|latin_name:拼音 Latin name|gender:性别 Gender|"
        "email:邮箱 E-mail|language:语言 Language|time_zone:时区 Time zone|region:地区 Region|city:城市 City|"
        "address:地址 Address|birth_date:出生日期 Birth date|national_id:证件号 National id|note:备注 Note|"
        "e164:号码 Number|raw:原始号码 As given|label:标签 Label|is_primary:首选 Primary|product:产品 Product|"
        "quantity:数量 Quantity|amount:金额 Amount|currency:币种 Currency|purchased_on:购买日期 Bought on|"
        "warranty_until:保修至 Warranty until|serial_number:序列号 Serial number|received_at:来电时间 Received|"
        "from_e164:主叫号码 From|notes:记录 Notes|summary:内容 Summary|channel:渠道 Channel|at:时间 At|"
        "created_at:创建时间 Made|updated_at:更新时间 Changed|source:来源 Source|body:内容 Text|reason:原因 Reason|"
        "do_not_call:勿扰 Do not call|occupation:职业 Occupation|education:学历 Education|field:字段 Field|"
        "looked_at:查看内容 Looked at|id:标识 Id|dcwh:热度 DCWH|tier:等级 Tier|title:称呼 Title|version:版本 Version|"
        "owner_id:归属人 Owner|contract_state:合同状态 Contract|next_call_at:下次联系 Next call|"
        "last_contact_at:最近联系 Last contact|wrong_since:号码有误自 Wrong since|why:缘由 Why|"
        "from_stage:原阶段 From stage|to_stage:新阶段 To stage|"
        "intention:意向 Intention|sales_stage:销售阶段 Sales stage|postcode:邮编 Postcode|"
        "latin_surname:姓氏拼音 Latin surname|bucket:号码后八位 Last eight digits|line_type:线路类型 Kind of line|"
        "customer_id:客户 Customer|national_number:国内号码 National number|extension:分机 Extension|"
        "purpose:用途 Purpose|state:状态 State|other_id:关联客户 The other|agent_id:经办人 By|outcome:结果 Outcome|"
        "starts_on:开始日期 Starts|ends_on:结束日期 Ends|number:编号 Number|direction:方向 Direction|"
        "external_id:来源编号 Id at the source|payload:来源原文 As the source said it|said_at:来源时间 Said at"
    ).split("|")
)


def word_for(name: str) -> str:
    """A table's or field's name for people: Chinese and English, or the name itself where there is no word for it."""
    return _WORDS.get(name, name.replace("_", " "))
